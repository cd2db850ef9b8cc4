# What the end-to-end tests need beside the programs under test. Each target does nothing when it is up to date.

E2E_PYTHON ?= /usr/bin/python3
E2E_MAVEN ?= mvn -q -B -Dstyle.color=never
E2E_STAMPS := build/venv/.stamp build/e2e/kafka/.stamp build/e2e/kafka-3.9/.stamp build/e2e/registry/.stamp build/e2e/prometheus/.stamp

build/venv/.stamp: tests/e2e/requirements.txt
	@echo "fetching the Python packages of the end-to-end tests"
	@mkdir -p $(@D)
	@$(E2E_PYTHON) -m venv --clear $(@D)
	@$(@D)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

build/e2e/kafka/.stamp: tests/e2e/kafka/pom.xml
	@echo "fetching Apache Kafka"
	@rm -rf $(@D)
	@$(E2E_MAVEN) -f $< package
	@touch $@

# For SCRAM: Debian 12's librdkafka cannot log in by it to Kafka 4. See tests/e2e/README.md.
build/e2e/kafka-3.9/.stamp: tests/e2e/kafka/pom.xml
	@echo "fetching Apache Kafka 3.9"
	@rm -rf $(@D)
	@$(E2E_MAVEN) -f $< -Dkafka.version=3.9.1 -Doutput=$(abspath $(@D)) package
	@touch $@

build/e2e/registry/.stamp: tests/e2e/registry/pom.xml
	@echo "fetching Apicurio Registry"
	@rm -rf $(@D)
	@$(E2E_MAVEN) -f $< package
	@touch $@

# Debian's package is unpacked, not installed: installed it would start a server.
build/e2e/prometheus/.stamp: tests/e2e/setup.mk
	@echo "fetching Prometheus"
	@rm -rf $(@D) && mkdir -p $(@D)
	@cd $(@D) && { apt-get download -qq prometheus 2>/dev/null || { test $$(id -u) = 0 || sudo=sudo; \
	    $$sudo apt-get update -qq && apt-get download -qq prometheus 2>/dev/null; }; }
	@cd $(@D) && dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin && rm prometheus_*.deb
	@touch $@

# Compose's reference library, which reads a compose file as Docker's own does.
build/e2e/compose: tests/e2e/setup.mk
	@echo "building compose-go's reader"
	@mkdir -p $(@D)/go
	@GOBIN=$(abspath $(@D))/go GOFLAGS=-trimpath go install github.com/compose-spec/compose-go/v2/cmd@v2.16.2
	@mv $(@D)/go/cmd $@ && rmdir $(@D)/go

build/e2e/collector/collector: tests/e2e/collector/builder.yaml tests/e2e/setup.mk
	@echo "building the OpenTelemetry collector"
	@rm -rf $(@D) && mkdir -p $(@D)/sources
	@GOBIN=$(abspath $(@D)) GOFLAGS=-trimpath go install go.opentelemetry.io/collector/cmd/builder@v0.165.0
	@cp $< $(@D)/builder.yaml && echo "  output_path: $(abspath $(@D))/sources" | sed -i '/^dist:/r /dev/stdin' $(@D)/builder.yaml
	@GOFLAGS=-trimpath $(@D)/builder --config=$(@D)/builder.yaml > $(@D)/build.log 2>&1 || { cat $(@D)/build.log; exit 1; }
	@mv $(@D)/sources/collector $@ && rm -rf $(@D)/sources

# The browser itself is Debian's chromium.
build/e2e/browser/.stamp: tests/e2e/browser/package.json
	@echo "fetching Playwright's core"
	@rm -rf $(@D) && mkdir -p $(@D) && cp $< $(@D)/
	@cd $(@D) && npm install --silent --no-fund --no-audit --ignore-scripts
	@touch $@

browser: # what test_console.py needs
	@$(call install,chromium $(if $(shell command -v npm),,npm))
	@$(MAKE) --no-print-directory -s build/e2e/browser/.stamp
