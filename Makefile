# Builds and checks Warren. `make help` lists the targets.
#
# Every variable below can be set on the command line, and a variant lives in a folder of its own:
#     make BUILD=build/clang-O0 CC=clang OPT=-O0
# Sources are found by folder, so a new file needs no line here.

ifeq ($(origin CC),default)
CC := gcc
endif
AR       ?= ar
BUILD    ?= build
OPT      ?= -O2
SAN      ?=
WERROR   ?= -Werror
COVERAGE ?=
DESTDIR  ?=
PREFIX   ?= /usr/local
ON       ?= sim tun linux
NET      ?= tun
T        ?=
FOR      ?= 5m
LONG     ?=
UPDATE   ?=
V        ?=

WARNINGS := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wvla -Wmissing-prototypes -Wstrict-prototypes $(WERROR)
# Without -fno-builtin-bcmp clang turns memcmp into bcmp, which is not among the functions that core/ may call. The
# prefix map keeps the path of this checkout out of the objects.
CFLAGS   := -std=c17 $(WARNINGS) $(OPT) -g -fno-builtin-bcmp -ffile-prefix-map=$(CURDIR)=.
CFLAGS   += $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
CFLAGS   += $(if $(COVERAGE),--coverage -fprofile-update=atomic)
CPPFLAGS := -I.
LDFLAGS  := $(if $(SAN),-fsanitize=$(SAN)) $(if $(COVERAGE),--coverage)
# core/ sees the bare language, and has small frames wherever they are not instrumented. pkg-config is asked only when
# something is compiled or linked, because `make test` may have just installed it.
FRAMES   := $(if $(SAN)$(COVERAGE),,-Wframe-larger-than=4096)
folder_flags = $(if $(filter core/%,$<),$(if $(filter %_test.c,$<),,$(FRAMES)),-D_GNU_SOURCE) $(if $(filter scenarios/% fuzz/%,$<),$(LUA_FLAGS))
LUA_FLAGS = $(shell pkg-config --cflags lua5.4)
# libev has no pkg-config file.
LDLIBS = -Wl,--as-needed -lev $(shell pkg-config --libs libsodium libcrypto lua5.4 libpcap inih jansson libseccomp)

# ---- Sources -----------------------------------------------------------------------------------------------------

TESTS    := $(wildcard $(addsuffix _test.c,core/* core/*/* crypto/* host/* sim/* scenarios/runner/* netns/* daemon/* fuzz/*))
SCRIPTS  := $(wildcard $(addsuffix _test.sh,ci/* core/*/* crypto/* host/* sim/* scenarios/* scenarios/runner/* netns/* daemon/*) ci/interop)
sources   = $(filter-out $(TESTS) %/main.c,$(wildcard $(1)))
CORE     := $(call sources,core/*.c core/*/*.c)
CRYPTO   := $(call sources,crypto/*.c)
HOST     := $(call sources,host/*.c)
SIM      := $(call sources,sim/*.c)
NETNS    := $(call sources,netns/*.c)
RUNNER   := $(call sources,scenarios/runner/*.c)
# Each of these is a program; the rest of daemon/ is what they share.
DAEMONS  := $(wildcard daemon/stun_probe.c daemon/warrend.c daemon/warren.c)
DAEMON   := $(filter-out $(DAEMONS),$(call sources,daemon/*.c))
BENCHES  := $(call sources,bench/*.c)
# What every fuzz harness shares; each other file in fuzz/ is one harness.
FUZZKIT  := $(filter fuzz/null_crypto.c fuzz/harness.c fuzz/support%.c,$(wildcard fuzz/*.c))
FUZZERS  := $(filter-out $(FUZZKIT),$(call sources,fuzz/*.c))

objects   = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
OBJECTS  := $(call objects,$(wildcard core/*.c core/*/*.c crypto/*.c host/*.c sim/*.c netns/*.c scenarios/runner/*.c daemon/*.c fuzz/*.c bench/*.c ci/*.c))

SCENARIOS := $(filter-out scenarios/peers.lua,$(sort $(wildcard scenarios/*.lua)))

# ---- Products ----------------------------------------------------------------------------------------------------

ARCHIVES := $(addprefix $(BUILD)/lib,$(addsuffix .a,scenarios netns daemon sim host crypto core))
TEST_BINARIES  := $(patsubst %.c,$(BUILD)/test/%,$(TESTS))
FUZZ_BINARIES  := $(patsubst %.c,$(BUILD)/%,$(FUZZERS))
BENCH_BINARIES := $(patsubst %.c,$(BUILD)/%,$(BENCHES))
# What the scripts that run daemons need besides.
HELPERS := $(patsubst %.c,$(BUILD)/%,$(wildcard ci/*.c))
PROGRAMS := $(if $(wildcard scenarios/runner/main.c),$(BUILD)/warren-lab)
PROGRAMS += $(patsubst daemon/%.c,$(BUILD)/%,$(subst _,-,$(DAEMONS)))

.PHONY: all test scenarios peers determinism fuzz prove coverage lint purity interop bench install clean help FORCE
.PHONY: deps-build deps-test deps-interop deps-peers deps-checks test-binaries
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules
Q := $(if $(V),,@)
say = $(if $(V),@:,@printf '  %-7s %s\n')

all: $(ARCHIVES) $(PROGRAMS)                      ## the archives and programs, under build/

# Targets for people set the machine up first; it costs one dpkg-query when nothing is missing.
SETUP := $(if $(filter scenarios bench,$(MAKECMDGOALS)),deps-build)
SETUP := $(if $(filter test coverage determinism purity,$(MAKECMDGOALS)),deps-test,$(SETUP))
SETUP := $(if $(filter interop $(if $(filter-out tunnel,$(T)),,bench),$(MAKECMDGOALS)),deps-interop,$(SETUP))
SETUP := $(if $(filter peers,$(MAKECMDGOALS)),deps-peers,$(SETUP))
SETUP := $(if $(filter fuzz prove lint coverage,$(MAKECMDGOALS)),deps-checks,$(SETUP))
deps-build deps-test deps-interop deps-peers deps-checks: deps-%:
	@ci/deps $*

# Objects depend on the flags, and archives on the list of sources, so neither goes stale silently.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D); echo '$(CC) $(CPPFLAGS) $(CFLAGS)' | cmp -s - $@ || echo '$(CC) $(CPPFLAGS) $(CFLAGS)' >$@
$(BUILD)/sources: FORCE
	@mkdir -p $(@D); echo '$(OBJECTS)' | cmp -s - $@ || echo '$(OBJECTS)' >$@

$(BUILD)/obj/%.o: %.c $(BUILD)/flags | $(SETUP)
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(folder_flags) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/libcore.a: $(call objects,$(CORE))
$(BUILD)/libcrypto.a: $(call objects,$(CRYPTO))
$(BUILD)/libhost.a: $(call objects,$(HOST))
$(BUILD)/libsim.a: $(call objects,$(SIM))
$(BUILD)/libdaemon.a: $(call objects,$(DAEMON))
$(BUILD)/libnetns.a: $(call objects,$(NETNS))
$(BUILD)/libscenarios.a: $(call objects,$(RUNNER))
$(ARCHIVES): $(BUILD)/sources | $(SETUP)
	$(say) AR $@
	$(Q)rm -f $@; $(AR) rcsD $@ $(filter %.o,$^)

define link
$(say) LD $@
@mkdir -p $(@D)
$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(1) $(LDLIBS)
endef

$(BUILD)/warren-lab: $(BUILD)/obj/scenarios/runner/main.o $(ARCHIVES)
	$(call link)
$(BUILD)/stun-probe: $(BUILD)/obj/daemon/stun_probe.o $(ARCHIVES)
	$(call link)
$(BUILD)/warrend $(BUILD)/warren: $(BUILD)/%: $(BUILD)/obj/daemon/%.o $(ARCHIVES)
	$(call link)
$(TEST_BINARIES): $(BUILD)/test/%: $(BUILD)/obj/%.o $(ARCHIVES)
	$(call link,-lcmocka)
$(FUZZ_BINARIES): $(BUILD)/%: $(BUILD)/obj/%.o $(call objects,$(FUZZKIT)) $(ARCHIVES)
	$(call link)
$(BENCH_BINARIES) $(HELPERS): $(BUILD)/%: $(BUILD)/obj/%.o $(ARCHIVES)
	$(call link)
# A script, which looks for what it measures beside its copy.
$(BUILD)/bench/tunnel: bench/tunnel.sh $(BUILD)/bench/tunnel_ceiling $(PROGRAMS)
	@install -m 755 $< $@

# ---- Checks ------------------------------------------------------------------------------------------------------

test-binaries: $(TEST_BINARIES) $(FUZZ_BINARIES) $(PROGRAMS)

test: deps-test test-binaries                     ## unit tests, corpora, purity, checks against other programs
	@BUILD=$(BUILD) ci/run-tests $(TEST_BINARIES) $(FUZZ_BINARIES) $(SCRIPTS) ci/purity

# In real time only what asks for no times, which a busy machine cannot keep; warren-lab runs any other script there, too.
REAL := scenarios/pairs.lua
scenarios: deps-build $(PROGRAMS)                 ## every scenario script, then pairs with real daemons; ON=sim stops before these
	@set -e; for on in $(ON); do \
	    if [ $$on = sim ]; then scripts='$(SCENARIOS)'; else scripts='$(REAL)'; printf '\nWith real daemons, on %s:\n' $$on; fi; \
	    $(BUILD)/warren-lab run $$scripts --on $$on --summary; done

peers: deps-peers $(PROGRAMS)                     ## Warren beside Nebula, n2n, tinc, WireGuard: who goes direct; NET=linux
	@$(BUILD)/warren-lab run scenarios/peers.lua --on $(NET) --summary

determinism: deps-test                            ## equal digests from every compiler, level and sanitizer
	@ci/determinism

fuzz: deps-checks                                 ## fuzz harness T for a time: make fuzz T=stun_message FOR=30m
	@T='$(T)' FOR='$(FOR)' SAN='$(SAN)' ci/fuzz

prove: deps-checks                                ## no undefined behaviour in the codecs, by Frama-C Eva
	@ci/prove $(T)

coverage: deps-checks                             ## lines not covered, per module; UPDATE=1 lowers the committed count
	@UPDATE='$(UPDATE)' ci/coverage

lint: deps-checks                                 ## format, clang-tidy, cppcheck, lengths, headers
	@ci/lint

purity: deps-test                                 ## core/ calls nothing outside, and includes point one way
	@ci/purity

interop: deps-interop $(PROGRAMS) $(HELPERS)      ## daemons in namespaces, behind NATs and against WireGuard; LONG=1: a rekey
	@BUILD=$(BUILD) LONG='$(LONG)' JOBS=1 ci/run-tests ci/interop ci/interop-tunnel ci/interop-wireguard

bench: $(SETUP) $(if $(T),$(BUILD)/bench/$(T),$(filter-out %/tunnel_ceiling,$(BENCH_BINARIES)) $(BUILD)/bench/tunnel) ## every benchmark, or T=sim
	@set -e; for b in $(filter $(BUILD)/bench/%,$^); do echo "# $$b"; $$b; done

# Packagers set DESTDIR, and PREFIX=/usr.
install: $(PROGRAMS)                              ## programs, manuals, systemd unit into $(DESTDIR)$(PREFIX)
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/bin $(filter-out %/warrend,$(PROGRAMS))
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/sbin $(BUILD)/warrend
	set -e; for page in $(wildcard docs/man/*.[158]); do \
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man$${page##*.} $$page; done
	mkdir -p $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|@PREFIX@|$(PREFIX)|' packaging/warrend.service >$(DESTDIR)$(PREFIX)/lib/systemd/system/warrend.service
	set -e; for file in $(wildcard packaging/warren.bash-completion); do \
	install -D -m 644 $$file $(DESTDIR)$(PREFIX)/share/bash-completion/completions/warren; done

clean:                                            ## removes build/
	rm -rf $(BUILD)

help:                                             ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | while IFS="	" read -r t d; \
	do printf '  make %-12s %s\n' "$$t" "$$d"; done

-include $(OBJECTS:.o=.d)
