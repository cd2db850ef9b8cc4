{{- define "bridge.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "bridge.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "bridge.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "bridge.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* What a Service or controller finds its pods by. Takes (dict "top" $ "part" "receiver"). */}}
{{- define "bridge.selector" -}}
app.kubernetes.io/name: {{ include "bridge.name" .top }}
app.kubernetes.io/instance: {{ .top.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "bridge.labels" -}}
{{ include "bridge.selector" . }}
app.kubernetes.io/version: {{ .top.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .top.Release.Service }}
app.kubernetes.io/part-of: {{ include "bridge.name" .top }}
helm.sh/chart: {{ printf "%s-%s" .top.Chart.Name .top.Chart.Version | replace "+" "_" }}
{{- with .top.Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* name, namespace, labels, annotations. Takes also "name" and "annotations". */}}
{{- define "bridge.metadata" -}}
name: {{ .name }}
namespace: {{ .top.Release.Namespace }}
labels:
  {{- include "bridge.labels" . | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) .top.Values.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "bridge.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{- define "bridge.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "bridge.fullname" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}

{{/* The configuration that the chart knows better, under what the values say. */}}
{{- define "bridge.config" -}}
{{- $own := dict "admin" (dict "listen" "0.0.0.0:9090") "receiver" (dict "listen" "0.0.0.0:8080") "enricher" (dict "cache_dir" "/var/cache/propexo-bridge") -}}
{{- if .Values.receiver.spool.enabled }}
{{- $_ := set $own.receiver "spool_dir" "/var/lib/propexo-bridge/spool" }}
{{- end }}
{{- mergeOverwrite $own (deepCopy .Values.config) | toYaml }}
{{- end }}

{{- define "bridge.port" -}}
{{- regexFind "[0-9]+$" . }}
{{- end }}

{{- define "bridge.receiverPort" -}}
{{- include "bridge.port" (get (include "bridge.config" . | fromYaml).receiver "listen") }}
{{- end }}

{{- define "bridge.adminPort" -}}
{{- include "bridge.port" (get (include "bridge.config" . | fromYaml).admin "listen") }}
{{- end }}

{{/* One value as the configuration file has it: a whole number without an exponent, a list with commas. */}}
{{- define "bridge.value" -}}
{{- if kindIs "slice" . }}
{{- $items := list }}
{{- range . }}{{ $items = append $items (include "bridge.value" .) }}{{ end }}
{{- join ", " $items }}
{{- else if and (kindIs "float64" .) (eq (floor .) .) }}
{{- int64 . }}
{{- else }}
{{- $text := toString . }}
{{- if regexMatch "[\r\n]" $text }}{{ fail (printf "a value of config has several lines: %s" (trunc 40 $text | quote)) }}{{ end }}
{{- $text }}
{{- end }}
{{- end }}

{{/* Whether a part reads a section of the configuration. Takes "part" and "section". */}}
{{- define "bridge.reads" -}}
{{- $others := dict "receiver" (list "registry" "output" "api" "enricher" "backfill" "sync") "enricher" (list "receiver") "job" list -}}
{{- if not (has .section (get $others .part)) }}yes{{ end }}
{{- end }}

{{/* Of the files those that a part needs, as a map. Takes (dict "top" $ "part" "receiver"). */}}
{{- define "bridge.files" -}}
{{- $files := dict }}
{{- range $key, $file := .top.Values.files }}
{{- if include "bridge.reads" (dict "part" $.part "section" (first (splitList "." $key))) }}{{ $_ := set $files $key $file }}{{ end }}
{{- end }}
{{- toYaml $files }}
{{- end }}

{{/* The configuration file of a part. */}}
{{- define "bridge.ini" -}}
{{- $config := include "bridge.config" .top | fromYaml }}
{{- range $key, $file := include "bridge.files" . | fromYaml }}
{{- $words := splitList "." $key }}
{{- $section := first $words }}
{{- $_ := set $config $section (set (get $config $section | default dict) (join "." (rest $words)) (printf "/etc/propexo-bridge/files/%s" $key)) }}
{{- end }}
{{- range $section, $keys := $config }}
{{- if and $keys (include "bridge.reads" (dict "part" $.part "section" $section)) -}}
[{{ $section }}]
{{- range $key, $value := $keys }}
{{- if not (kindIs "invalid" $value) }}
{{ $key }} = {{ include "bridge.value" $value }}
{{- end }}
{{- end }}
{{ end }}
{{- end }}
{{- end }}

{{/* Where the configuration and its files are found in a pod, and what may be written there. */}}
{{- define "bridge.volumes" -}}
- name: config
  configMap:
    name: {{ .configMap }}
    items:
      - {key: {{ .part }}.conf, path: bridge.conf}
{{- with include "bridge.files" . | fromYaml }}
- name: files
  projected:
    defaultMode: 0440
    sources:
      {{- range $key, $file := . }}
      {{- if $file.existingSecret }}
      - secret:
          name: {{ $file.existingSecret }}
      {{- else }}
      - configMap:
          name: {{ $file.existingConfigMap }}
      {{- end }}
          items:
            - {key: {{ $file.key | quote }}, path: {{ $key | quote }}}
      {{- end }}
{{- end }}
- name: tmp
  emptyDir: {}
{{- end }}

{{- define "bridge.mounts" -}}
- {name: config, mountPath: /etc/propexo-bridge/bridge.conf, subPath: bridge.conf, readOnly: true}
{{- if include "bridge.files" . | fromYaml }}
- {name: files, mountPath: /etc/propexo-bridge/files, readOnly: true}
{{- end }}
- {name: tmp, mountPath: /tmp}
{{- end }}

{{/* What receivers and enrichers have in common below spec.template. */}}
{{- define "bridge.pod" -}}
{{- $top := .top }}
{{- $values := .values -}}
metadata:
  labels:
    {{- include "bridge.labels" . | nindent 4 }}
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/config: {{ include "bridge.ini" . | sha256sum }}
    {{- with merge (dict) $values.podAnnotations $top.Values.annotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "bridge.serviceAccount" $top }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ add $top.Values.terminationGracePeriodSeconds .drainSeconds }}
  {{- with $top.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    {{- toYaml $top.Values.podSecurityContext | nindent 4 }}
  containers:
    - name: {{ .part }}
      image: {{ include "bridge.image" $top }}
      imagePullPolicy: {{ $top.Values.image.pullPolicy }}
      args:
        - {{ .command }}
        {{- with $values.extraArgs }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with $values.extraEnv }}
      env:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        {{- if eq .part "receiver" }}
        - {name: webhooks, containerPort: {{ include "bridge.receiverPort" $top }}}
        {{- end }}
        - {name: admin, containerPort: {{ include "bridge.adminPort" $top }}}
      startupProbe:
        httpGet: {path: /healthz, port: admin}
        periodSeconds: 1
        failureThreshold: 60
      livenessProbe:
        httpGet: {path: /healthz, port: admin}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: /readyz, port: admin}
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: 2
      {{- if gt (int .drainSeconds) 0 }}
      lifecycle:
        preStop:
          exec:
            command: [/usr/local/bin/propexo-bridge, drain, --wait, {{ .drainSeconds | quote }}]
      {{- end }}
      resources:
        {{- toYaml $values.resources | nindent 8 }}
      securityContext:
        {{- toYaml $top.Values.securityContext | nindent 8 }}
      volumeMounts:
        {{- include "bridge.mounts" . | nindent 8 }}
        {{- with .mount }}
        - {{ toYaml . | nindent 10 | trim }}
        {{- end }}
        {{- with $values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    {{- include "bridge.volumes" . | nindent 4 }}
    {{- with .volume }}
    - {{ toYaml . | nindent 6 | trim }}
    {{- end }}
    {{- with $values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    {{- if kindIs "slice" $values.topologySpreadConstraints }}
    {{- toYaml $values.topologySpreadConstraints | nindent 4 }}
    {{- else }}
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "bridge.selector" $ | nindent 10 }}
    {{- end }}
    {{- end }}
{{- end }}

{{/* A disk of each pod of a StatefulSet. Takes "name" and "disk", the values of it. */}}
{{- define "bridge.claim" -}}
- metadata:
    name: {{ .name }}
    labels:
      {{- include "bridge.selector" . | nindent 6 }}
  spec:
    accessModes:
      {{- toYaml .disk.accessModes | nindent 6 }}
    {{- with .disk.storageClass }}
    storageClassName: {{ . }}
    {{- end }}
    resources:
      requests:
        storage: {{ .disk.size }}
{{- end }}

{{/* A job that runs one subcommand as a hook. Takes "name", "args", "hook". */}}
{{- define "bridge.job" -}}
{{- $top := .top -}}
apiVersion: batch/v1
kind: Job
metadata:
  {{- include "bridge.metadata" (merge (dict "annotations" (dict "helm.sh/hook" .hook "helm.sh/hook-weight" .weight "helm.sh/hook-delete-policy" "before-hook-creation,hook-succeeded")) .) | nindent 2 }}
spec:
  backoffLimit: {{ $top.Values.jobs.backoffLimit }}
  activeDeadlineSeconds: {{ $top.Values.jobs.activeDeadlineSeconds }}
  template:
    metadata:
      labels:
        {{- include "bridge.labels" . | nindent 8 }}
    spec:
      restartPolicy: Never
      {{- include "bridge.oneContainer" . | nindent 6 }}
{{- end }}

{{/* The rest of the spec of a pod that runs one subcommand. */}}
{{- define "bridge.oneContainer" -}}
{{- $top := .top -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $top.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml $top.Values.podSecurityContext | nindent 2 }}
containers:
  - name: {{ .part }}
    image: {{ include "bridge.image" $top }}
    imagePullPolicy: {{ $top.Values.image.pullPolicy }}
    args:
      {{- toYaml .args | nindent 6 }}
    resources:
      {{- toYaml $top.Values.jobs.resources | nindent 6 }}
    securityContext:
      {{- toYaml $top.Values.securityContext | nindent 6 }}
    volumeMounts:
      {{- include "bridge.mounts" . | nindent 6 }}
volumes:
  {{- include "bridge.volumes" . | nindent 2 }}
{{- end }}
