# Outlet DB Backup Monitor. `make` explains itself.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MODULES := events services ui
PORT ?= 3004
N ?= 1000
FOR ?= 1h
# The race detector needs a C compiler; without one the tests run without it.
# What only computes, bcrypt and SQLite, is not watched: it would take half of the time. No
# package with generics may stand here: its instances are shared with others.
UNWATCHED := golang.org/x/crypto/blowfish modernc.org/sqlite/lib
RACE := $(shell command -v $${CC:-cc} >/dev/null 2>&1 && echo -race $(UNWATCHED:%=-gcflags=%=-race=false))
# Many tests wait: one package more at once than there are processors uses them all.
PACKAGES := $(shell echo $$(( $$(nproc 2>/dev/null || echo 2) + 1 )))
BIN := bin/backup-monitor
TOOLS := $(CURDIR)/.tools
GOLANGCI_VERSION := v2.15.0
GOLANGCI := $(TOOLS)/golangci-lint-$(GOLANGCI_VERSION)
UI_SOURCES := $(shell find ui/src ui/public ui/index.html ui/vite.config.ts ui/package-lock.json -type f 2>/dev/null)
GO_SOURCES := $(shell find events services ui -name node_modules -prune -o -type f \( -name '*.go' -o -name 'go.*' -o -name '*.sql' -o -name '*.yaml' \) -print 2>/dev/null)

.PHONY: help demo run dev build test e2e soak soak-kill soak-smb fuzz bench lint ui tidy check cross clean

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: build ## 1000 simulated outlets, everything embedded; PORT=3004 N=1000
	HTTP_ADDR=127.0.0.1:$(PORT) ./$(BIN) up --demo=$(N)

run: build ## the real thing, with the settings of .env
	./$(BIN) up

dev: build ui/node_modules ## the demo behind Vite's dev server, the page reloads as you edit
	trap 'kill 0' EXIT; HTTP_ADDR=127.0.0.1:$(PORT) ./$(BIN) up --demo=$(N) & \
	cd ui && npm run dev

build: $(BIN) ## bin/backup-monitor, with the page in it

$(BIN): ui/dist/index.html $(GO_SOURCES) go.work
	go build -buildvcs=auto -trimpath -o $@ ./services/cmd/backup-monitor

ui: ui/dist/index.html ## build the page into ui/dist

ui/dist/index.html: ui/node_modules $(UI_SOURCES)
	cd ui && npm run build
	@touch $@

ui/node_modules: ui/package-lock.json
	cd ui && npm ci --no-audit --no-fund
	@touch $@

test: ui/dist/index.html ## every test but the browser's and the kill -9 rounds; under 5 minutes
	go test $(RACE) -p $(PACKAGES) -timeout 10m work
	cd ui && npm test

e2e: build ui/node_modules ## the built program as a user has it: browser, kill -9, Ctrl-C, the demo
	go test -tags e2e -count 1 -timeout 20m -run '^TestE2E' -v ./services/cmd/backup-monitor

soak: build ## kill -9 rounds under load, and outlets that answer at random, for as long as asked: make soak FOR=8h
	$(MAKE) -j2 soak-kill soak-smb

soak-kill: build
	SOAK_FOR=$(FOR) go test -tags e2e -count 1 -timeout 0 -run '^TestSoak' -v ./services/cmd/backup-monitor

soak-smb:
	LOOKS=10000 SOAK_FOR=$(FOR) go test -tags e2e -count 1 -timeout 0 -run '^(TestNothingIsLeftBehind|TestSoak.*)$$' -v ./services/prober/smb

fuzz: ## every fuzz target, each for as long as asked: make fuzz FOR=1m
	for d in $$(grep -rl --include='*_test.go' '^func Fuzz' events services | xargs -n1 dirname | sort -u); do \
		for f in $$(go test -list '^Fuzz' ./$$d | grep '^Fuzz'); do \
			go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FOR) -fuzzminimizetime 10x ./$$d || exit 1; done; done

bench: build ## what the pipeline costs beside a bare loop, at 1,000 and 10,000 outlets; and the parts
	go test -tags e2e -run '^$$' -bench . -benchtime 1x -timeout 40m ./services/cmd/backup-monitor
	go test -run '^$$' -bench . -benchtime 1s -timeout 20m ./services/cmd/backup-monitor/restore ./services/internal/... ./services/prober/... ./services/projector/... ./services/scheduler/... ./services/gateway/...

lint: $(GOLANGCI) ui/node_modules ## the linters, Go and page
	$(GOLANGCI) run --build-tags e2e $(addsuffix /...,$(MODULES))
	cd ui && npm run lint && npm run typecheck

$(GOLANGCI):
	GOBIN=$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv $(TOOLS)/golangci-lint $@

tidy: $(GOLANGCI) ## dependencies and formatting in order
	go work sync
	for m in $(MODULES); do (cd $$m && go mod tidy) || exit 1; done
	$(GOLANGCI) fmt $(addsuffix /...,$(MODULES))

check: ## what a workspace hides: each module alone, tidy, and the other platforms
	for m in $(MODULES); do (cd $$m && go mod tidy -diff && GOWORK=off go build ./...) || exit 1; done
	$(MAKE) cross

cross: ## build for every platform that outlets' admins use
	for p in linux/amd64 linux/arm64 windows/amd64 darwin/arm64; do \
		echo "$$p"; CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} go build -o /dev/null ./services/cmd/backup-monitor || exit 1; done

clean: ## remove what was built; data and logs stay
	rm -rf bin .tools ui/node_modules
	find ui/dist -mindepth 1 ! -name .gitkeep -delete
