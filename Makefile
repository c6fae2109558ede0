# Berth: `make` alone prints what can be made.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO        ?= go
VERSION   ?= $(shell git describe --always --dirty 2>/dev/null || echo unknown)
LDFLAGS   := -X main.version=$(VERSION)
PREFIX    ?= /usr/local
DESTDIR   ?=
FUZZTIME  ?= 5s
BENCH     ?= .
BENCHTIME ?= 1s
SEEDS     ?= 100
PROCESSES ?= $(shell nproc)
N         ?= 50
# The folder of the openb trace (docs/runbook.md says where to get it).
OPENB     ?= ../shared/data/openb
# Of chaos: how long faults begin, what decides them (0: a new one), and where the outcome is written.
MINUTES   ?= 20
KILLS     ?= 50
SEED      ?= 0
REPORT    ?= chaos.json

# Linters have a module file of their own, so that their dependencies never
# decide the versions of ours.
TOOL     := $(GO) tool -modfile=tools/go.mod
COVERAGE := coverage
# Everything but what protoc wrote.
HAND_WRITTEN = $$(git ls-files --cached --others --exclude-standard '*.go' | grep -vxFf <(git ls-files --deleted) | grep -v '\.pb\.go$$' | grep -v '\.connect\.go$$')

.PHONY: help
help: ## print this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-zA-Z_-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/berth and bin/berth-shim
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/berth ./cmd/berth
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w $(LDFLAGS)' -o bin/berth-shim ./cmd/berth-shim

.PHONY: demo
demo: build ## place 100 containers on 20 workers, run them, and check the store
	bin/berth demo

# The integration tests run after the others, alone on the machine's cores:
# they hold real leases, and count for every package that they go through.
.PHONY: test
test: ## all tests, with the race detector; prints the coverage
	@mkdir -p $(COVERAGE); status=0; \
	packages="$$($(GO) list ./...)"; \
	units="$$(grep -v '/integration$$' <<<"$$packages")"; \
	$(GO) test -race -timeout 40m -covermode=atomic -coverprofile=$(COVERAGE)/all.out $$units || status=1; \
	if grep -q '/integration$$' <<<"$$packages"; then \
		$(GO) test -race -timeout 40m -covermode=atomic -coverpkg=./... -coverprofile=$(COVERAGE)/integration.out ./integration/ || status=1; \
		tail -q -n +2 $(COVERAGE)/integration.out >>$(COVERAGE)/all.out || status=1; \
	fi; \
	grep -v -E '\.(pb|connect)\.go:' $(COVERAGE)/all.out >$(COVERAGE)/hand-written.out; \
	$(GO) tool cover -func=$(COVERAGE)/hand-written.out | awk '/^total:/ {print "coverage of hand-written code: " $$NF}'; \
	exit $$status

.PHONY: cover
cover: ## open the coverage of the last `make test` as a page
	$(GO) tool cover -html=$(COVERAGE)/hand-written.out

.PHONY: lint
lint: ## no left-overs of merges, gofumpt, vet, golangci-lint, and go.mod in order
	@if git grep -nE '^(<{7}|>{7}) '; then echo "a merge left its markers there" >&2; exit 1; fi
	@if git ls-files | grep -E '\.(orig|rej)$$'; then echo "a merge or a patch left them" >&2; exit 1; fi
	@unformatted="$$($(TOOL) gofumpt -l $(HAND_WRITTEN))"; \
	if [ -n "$$unformatted" ]; then echo "not formatted (make fmt):" >&2; echo "$$unformatted" >&2; exit 1; fi
	$(GO) vet ./...
	$(TOOL) golangci-lint run --allow-parallel-runners
	$(GO) mod tidy -diff
	$(GO) -C tools mod tidy -diff
	$(GO) -C tools/etcd mod tidy -diff

.PHONY: fmt
fmt: ## format the code
	$(TOOL) gofumpt -w $(HAND_WRITTEN)

.PHONY: fuzz
fuzz: ## run each fuzz test for FUZZTIME (5s)
	@for package in $$($(GO) list ./...); do \
		for name in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "== $$package $$name"; \
			$(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

.PHONY: bench
bench: ## the benchmarks on a real embedded etcd (BENCH, BENCHTIME)
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -timeout 30m ./integration/

.PHONY: restarts
restarts: ## end a worker's agent N (50) times under load, by SIGKILL and SIGHUP: its containers are untouched
	$(GO) test -count=1 -timeout 60m -run TestAgent_Upgraded -v ./integration/ -restarts $(N)

.PHONY: shim-bench
shim-bench: ## size, memory and start of the containers' supervisors
	$(GO) test -count=1 -run TestShim_Measures -v ./worker/process/ -measure

.PHONY: openb
openb: ## a real trace: 8,152 requests on 1,213 hollow workers (OPENB=folder)
	@test -d '$(OPENB)' || { echo "no trace at $(OPENB): say OPENB=FOLDER; docs/runbook.md tells where to get it" >&2; exit 1; }
	$(GO) test -count=1 -timeout 30m -run TestOpenb -v ./integration/ -openb '$(abspath $(OPENB))'

.PHONY: openb-quality
openb-quality: ## how well it packs: openb's five traces, all policies side by side with FGD as published (OPENB=folder)
	@test -d '$(OPENB)' || { echo "no trace at $(OPENB): say OPENB=FOLDER; docs/runbook.md tells where to get it" >&2; exit 1; }
	$(GO) run ./sim/quality -openb '$(abspath $(OPENB))'

.PHONY: groups-quality
groups-quality: ## how long groups wait on made traces, beside best fit
	$(GO) run ./sim/groupquality

.PHONY: chaos
chaos: ## etcd members, daemons, agents: killed, stopped, cut off under load (MINUTES=20, SEED, REPORT=FILE)
	$(GO) test -count=1 -timeout $$(($(MINUTES) + 15))m -run 'TestChaos$$' -v ./integration/chaos/ -minutes $(MINUTES) -seed $(SEED) -report '$(abspath $(REPORT))'

.PHONY: away
away: ## take a real etcd away for MINUTES (20) from 200 hollow workers and a real one
	$(GO) test -count=1 -timeout $$(($(MINUTES) + 15))m -run 'TestEtcdAway$$' -v ./integration/ -away $(MINUTES)m

.PHONY: massloss
massloss: ## lose 100 of 200 hollow workers for 60 s, with the brake and without
	$(GO) test -count=1 -timeout 30m -run 'TestMassLoss$$' -v ./integration/ -massloss

# Requests a day; the time between two looks at the store is the daemon's own.
GROWTH ?= 800
.PHONY: growth
growth: ## a week of churn on one store: its size stays bounded (GROWTH=requests a day)
	$(GO) test -count=1 -timeout 60m -run 'TestStore_Growth$$' -v ./integration/ -growth $(GROWTH)

# Of curves: where stores are (a disk), and how long each of the four may take in one call.
STORE_DIR ?= /var/tmp
WITHIN    ?= 1h
.PHONY: curves
curves: build ## measure the curves of docs/performance.md, on a quiet machine; again: what is missing (WITHIN=1h, STORE_DIR)
	@trap 'exit 130' INT; status=0; mkdir -p docs/performance; for curve in load workers decisions allocations; do \
		bin/berth bench curve --within $(WITHIN) --store-dir '$(STORE_DIR)' --out docs/performance/$$curve.jsonl $$curve || status=1; \
	done; exit $$status

.PHONY: plots
plots: ## draw the curves that docs/performance holds (PNG=1: as PNG, too)
	$(GO) run ./bench/plot $(if $(PNG),-png) -out docs/performance docs/performance/*.jsonl

# Arguments of the command: -every, -jobs, -sieve, -seeds, -limit, -doc docs/robustness.md.
MUTANTS ?=
.PHONY: mutants
mutants: ## plant known bugs, one by one: the tests must find each (PATCHES=folder of others, ONLY=name)
	$(GO) run ./robustness/mutants $(if $(PATCHES),-patches '$(abspath $(PATCHES))') $(if $(ONLY),-only '$(ONLY)') $(MUTANTS)

.PHONY: sim
sim: ## the protocol under faults, SEEDS=n (100) from SEED=s on, by PROCESSES=n (cores); the first 1,000 are run twice and must be the same
	GOGC=1600 $(GO) test -count=1 -timeout 0 -run 'TestSim$$' -v ./robustness/ -sim.processes $(PROCESSES) -sim.seeds $(SEEDS) -sim.seed $(if $(filter-out 0,$(SEED)),$(SEED),1)

.PHONY: takeover
takeover: ## kill one of three daemons KILLS times (50), and measure how soon the others go on
	$(GO) test -count=1 -timeout 60m -run TestTakeover -v ./integration/ -kills $(KILLS)

.PHONY: generate
generate: ## write the code of the protobuf service anew
	$(GO) generate ./...

.PHONY: install
install: build ## install into $(DESTDIR)$(PREFIX): binaries, units, man page, completion
	install -D -m 0755 bin/berth '$(DESTDIR)$(PREFIX)/bin/berth'
	install -D -m 0755 bin/berth-shim '$(DESTDIR)$(PREFIX)/bin/berth-shim'
	install -d '$(DESTDIR)$(PREFIX)/lib/systemd/system'
	for unit in berth-daemon berth-worker; do \
		sed 's|/usr/local/bin/berth|$(PREFIX)/bin/berth|g' systemd/$$unit.service >'$(DESTDIR)$(PREFIX)/lib/systemd/system/'$$unit.service; \
		chmod 0644 '$(DESTDIR)$(PREFIX)/lib/systemd/system/'$$unit.service; \
	done
	install -D -m 0644 systemd/berth.sysusers '$(DESTDIR)$(PREFIX)/lib/sysusers.d/berth.conf'
	install -D -m 0644 systemd/berth.tmpfiles '$(DESTDIR)$(PREFIX)/lib/tmpfiles.d/berth.conf'
	install -D -m 0644 systemd/daemon.env '$(DESTDIR)$(PREFIX)/share/doc/berth/daemon.env'
	install -D -m 0644 systemd/worker.env '$(DESTDIR)$(PREFIX)/share/doc/berth/worker.env'
	install -D -m 0644 docs/berth.1 '$(DESTDIR)$(PREFIX)/share/man/man1/berth.1'
	install -d '$(DESTDIR)$(PREFIX)/share/bash-completion/completions' '$(DESTDIR)$(PREFIX)/share/zsh/site-functions' \
		'$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d'
	bin/berth completion bash >'$(DESTDIR)$(PREFIX)/share/bash-completion/completions/berth'
	bin/berth completion zsh >'$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_berth'
	bin/berth completion fish >'$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/berth.fish'

.PHONY: clean
clean: ## remove what the build and the tests left
	rm -rf bin $(COVERAGE)
