# The short list of commands. CI runs `make test` and nothing else.

GO       ?= go
BIN      := bin/greenlane
FUZZTIME ?= 60s
CHAOS    ?= 3m
SOAK     ?= 5m

.PHONY: run build test lint bench fuzz chaos soak clean

# The main job: a hub with simulated trade and a receiver, on a temporary
# data folder.
run: build
	./$(BIN) demo

# One static file; no C compiler is needed.
build:
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN) ./cmd/greenlane

# Everything that must hold. Installs what the tests need and lack.
test: build
	./scripts/test-needs
	$(MAKE) lint
	$(GO) test -timeout 10m -run 'EveryCrashPoint' ./internal/delivery
	CGO_ENABLED=1 $(GO) test -race -timeout 20m ./...
	GREENLANE_TEST_STORE=postgres $(GO) test -short -timeout 20m ./internal/hub ./internal/delivery ./internal/web/api

lint:
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run gofmt on these files"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	@./scripts/vulnerabilities

# Measures this machine and prints a table.
bench: build
	./$(BIN) bench

# Each fuzz target for FUZZTIME, one after the other.
fuzz:
	./scripts/fuzz $(FUZZTIME)

# Deliveries at their worst: 200 endpoints that fail in every way, changes by
# hand, and kill -9 of the hub, for CHAOS. `make test` does it for seconds.
chaos: build
	CHAOS=$(CHAOS) $(GO) test -run 'TestChaos$$' -count=1 -v -timeout 60m ./cmd/greenlane

# Three hubs on one PostgreSQL server, hubs and server killed in turn, for SOAK.
# `make test` does it for seconds.
soak: build
	SOAK=$(SOAK) $(GO) test -run 'TestSoak$$' -count=1 -v -timeout 60m ./cmd/greenlane

clean:
	rm -rf bin
