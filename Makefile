# The newest patched toolchain: older ones carry known HTTP/2 holes (SECURITY.md).
export GOTOOLCHAIN := go1.27.4+auto

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
PKG         ?= ./...
BENCH       ?= .
COUNT       ?= 1
FUZZTIME    ?= 10s

.DEFAULT_GOAL := help
.PHONY: help run demo build filters test check race fuzz bench fmt clean

# The bundled filters are WebAssembly, and part of the program.
FILTERS := filters/built/filters.wasm.gz

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

run: build ## serve examples/quickstart on https://localhost:8443 and http://localhost:8080
	./weir run -c examples/quickstart/weir.yaml

demo: build ## two nodes with one store, and an authority (examples/cluster), until Ctrl-C
	sh examples/cluster/demo.sh

filters: $(FILTERS) ## build the bundled filters

$(FILTERS): go.mod $(shell find filters sdk/weir sdk/abi sdk/internal -name '*.go' ! -name '*_test.go')
	GOOS=wasip1 GOARCH=wasm CGO_ENABLED=0 go build -buildmode=c-shared -trimpath -ldflags '-s -w' -o $(@:.gz=) ./filters/module
	gzip -9nf $(@:.gz=)

build: $(FILTERS) ## build ./weir, one static binary
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o weir ./cmd/weir

test: $(FILTERS) ## run all tests (PKG=./edge/... for some)
	go test -timeout 20m $(PKG)

check: ## gofmt, vet, fix, staticcheck, rules of the house
	@test -z "$$(gofmt -l .)" || { echo 'gofmt wants (make fmt):'; gofmt -l .; exit 1; }
	go vet ./...
	go fix -diff ./...
	go run $(STATICCHECK) ./...
	go test -run 'TestHouse' ./cmd/weir

race: $(FILTERS) ## run all tests under the race detector, but for the rules of the house
	CGO_ENABLED=1 go test -race -skip '^TestHouse' -timeout 40m $(PKG)

fuzz: ## run every fuzz target for FUZZTIME (10s) each
	@grep -rHo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' $(PKG:/...=) | sort -u | \
	while IFS=: read -r file func; do \
		echo "== $${file%/*} $${func#func }"; \
		go test -run '^$$' -fuzz "^$${func#func }$$" -fuzztime $(FUZZTIME) "./$${file%/*}" </dev/null || exit 1; \
	done

bench: ## run benchmarks (BENCH=regexp COUNT=10 PKG=./edge/route)
	go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) $(PKG)

fmt: ## gofmt and go fix, in place
	gofmt -w .
	go fix ./...

clean: ## remove what was built
	rm -rf weir dist $(FILTERS)
	find . -name '*.test' -delete
