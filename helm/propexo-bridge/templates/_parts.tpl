{{/* The pods themselves: for stable names, and for who scrapes them. */}}
{{- define "bridge.podsService" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "bridge.metadata" (merge (dict "name" (printf "%s-pods" .name) "labels" (dict "propexo-bridge/scrape" "true")) .) | nindent 2 }}
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  ports:
    - {name: admin, port: {{ include "bridge.adminPort" .top }}, targetPort: admin}
  selector:
    {{- include "bridge.selector" . | nindent 4 }}
{{- end }}

{{- define "bridge.disruption" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "bridge.metadata" . | nindent 2 }}
spec:
  maxUnavailable: {{ .values.podDisruptionBudget.maxUnavailable }}
  selector:
    matchLabels:
      {{- include "bridge.selector" . | nindent 6 }}
{{- end }}
