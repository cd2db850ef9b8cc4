# What the tests of the chart need: helm itself, and the Python packages that validate what it renders.

HELM_VERSION := v3.22.0

build/helm/helm: tests/helm/setup.mk
	@echo "building helm $(HELM_VERSION)"
	@mkdir -p $(@D)
	@GOBIN=$(abspath $(@D)) GOFLAGS=-trimpath go install helm.sh/helm/v3/cmd/helm@$(HELM_VERSION)
	@touch $@

build/helm/venv/.stamp: tests/helm/requirements.txt
	@echo "fetching the Python packages of the chart's tests"
	@mkdir -p $(@D)
	@$(E2E_PYTHON) -m venv --clear $(@D)
	@$(@D)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@
