# Builds and checks Warren. `make help` lists the targets.
#
# Every variable below can be set on the command line, and a variant lives in a folder of its own:
#     make BUILD=build/clang-O0 CC=clang OPT=-O0
# Sources are found by folder, so a new file needs no line here.

ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin CXX),default)
CXX := g++
endif
AR       ?= ar
BUILD    ?= build
OPT      ?= -O2
SAN      ?=
WERROR   ?= -Werror
COVERAGE ?=
DESTDIR  ?=
PREFIX   ?= /usr/local
ON       ?= sim ns3 tun linux
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
# Only what is on ns-3 is C++.
CXXFLAGS := -std=c++17 $(filter-out -Wmissing-prototypes -Wstrict-prototypes,$(WARNINGS)) $(OPT) -g -ffile-prefix-map=$(CURDIR)=.
CPPFLAGS := -I.
LDFLAGS  := $(if $(SAN),-fsanitize=$(SAN)) $(if $(COVERAGE),--coverage)
# core/ sees the bare language, and has small frames wherever they are not instrumented. pkg-config is asked only when
# something is compiled or linked, because `make test` may have just installed it.
FRAMES   := $(if $(SAN)$(COVERAGE),,-Wframe-larger-than=4096)
folder_flags = $(if $(filter core/%,$<),$(if $(filter %_test.c,$<),,$(FRAMES)),-D_GNU_SOURCE) $(if $(filter scenarios/% fuzz/%,$<),$(LUA_FLAGS))
LUA_FLAGS = $(shell pkg-config --cflags lua5.4)
# libev has no pkg-config file.
LDLIBS = -Wl,--as-needed -lev $(shell pkg-config --libs libsodium libcrypto lua5.4 libpcap inih jansson libseccomp)

NS3_LIBS := -lns3-core -lns3-network -lns3-internet -lns3-point-to-point -lns3-csma -lns3-traffic-control

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

# What runs on ns-3, which is GPL-2.0-only: a program of its own, and its tests, in no archive and not installed.
NS3_TESTS := $(wildcard sim/ns3/*_test.c scenarios/ns3/*_test.c)
NS3_C     := $(filter-out $(NS3_TESTS),$(call sources,sim/ns3/*.c scenarios/ns3/*.c))
NS3_CC    := $(wildcard sim/ns3/*.cc)

objects   = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
OBJECTS  := $(call objects,$(wildcard core/*.c core/*/*.c crypto/*.c host/*.c sim/*.c netns/*.c scenarios/runner/*.c daemon/*.c fuzz/*.c bench/*.c ci/*.c))
NS3_OBJECTS := $(call objects,$(NS3_C)) $(patsubst %.cc,$(BUILD)/obj/%.o,$(NS3_CC))

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

# NS3 is "yes" where ns-3 was found, by what is in $(BUILD)/ns3.mk; it is looked for when a target could use it, in builds
# that its libraries can be part of.
ifneq ($(filter ns3 test test-binaries scenarios bench $(BUILD)/warren-ns3 $(BUILD)/test/%,$(MAKECMDGOALS)),)
ifeq ($(SAN)$(COVERAGE),)
-include $(BUILD)/ns3.mk
endif
endif
NS3_PROGRAM := $(if $(filter yes,$(NS3)),$(patsubst %,$(BUILD)/warren-ns3,$(wildcard scenarios/ns3/main.c)))
NS3_TEST_BINARIES := $(if $(filter yes,$(NS3)),$(patsubst %.c,$(BUILD)/test/%,$(NS3_TESTS)))

.PHONY: all ns3 test scenarios peers determinism fuzz prove coverage lint purity interop bench install clean help FORCE
.PHONY: deps-build deps-ns3 deps-test deps-interop deps-peers deps-checks test-binaries
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules
, := ,
Q := $(if $(V),,@)
say = $(if $(V),@:,@printf '  %-7s %s\n')

all: $(ARCHIVES) $(PROGRAMS)                      ## the archives and programs, under build/

NS3_MISSING := g++ could not build a program with ns-3 (libns3-dev); $(BUILD)/ns3.mk.log says why
ns3: deps-ns3 $(NS3_PROGRAM) $(NS3_TEST_BINARIES)  ## build/warren-ns3, the lab on ns-3
	@$(if $(filter yes,$(NS3)),:,echo 'make ns3: $(NS3_MISSING)' >&2; exit 1)

# Targets for people set the machine up first; it costs one dpkg-query when nothing is missing.
SETUP := $(if $(filter scenarios bench,$(MAKECMDGOALS)),deps-build)
SETUP := $(if $(filter ns3,$(MAKECMDGOALS)),deps-ns3,$(SETUP))
SETUP := $(if $(filter test coverage determinism purity,$(MAKECMDGOALS)),deps-test,$(SETUP))
SETUP := $(if $(filter interop $(if $(filter-out tunnel,$(T)),,bench),$(MAKECMDGOALS)),deps-interop,$(SETUP))
SETUP := $(if $(filter peers,$(MAKECMDGOALS)),deps-peers,$(SETUP))
SETUP := $(if $(filter fuzz prove lint coverage,$(MAKECMDGOALS)),deps-checks,$(SETUP))
deps-build deps-ns3 deps-test deps-interop deps-peers deps-checks: deps-%:
	@ci/deps $*

# Objects depend on the flags, and archives on the list of sources, so neither goes stale silently.
FLAGS := $(CC) $(CPPFLAGS) $(CFLAGS) $(CXX) $(CXXFLAGS)
$(BUILD)/flags: FORCE
	@mkdir -p $(@D); echo '$(FLAGS)' | cmp -s - $@ || echo '$(FLAGS)' >$@
$(BUILD)/sources: FORCE
	@mkdir -p $(@D); echo '$(OBJECTS)' | cmp -s - $@ || echo '$(OBJECTS)' >$@

$(BUILD)/obj/%.o: %.c $(BUILD)/flags | $(SETUP)
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(folder_flags) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/obj/%.o: %.cc $(BUILD)/flags | $(SETUP)
	$(say) CXX $<
	@mkdir -p $(@D)
	$(Q)$(CXX) $(CPPFLAGS) $(CXXFLAGS) -MMD -MP -c -o $@ $<

# pkg-config's files for ns-3 are broken in Debian 12, so something is compiled and linked. What was found once stays
# found; what was not is looked for again, which fails soon.
NS3_PROBE := codel-queue-disc csma-net-device internet-stack-helper point-to-point-net-device udp-l4-protocol
$(BUILD)/ns3.mk: FORCE | $(SETUP)
	@mkdir -p $(@D); grep -qs yes $@ || { found=no; \
	printf '#include "ns3/%s.h"\n' $(NS3_PROBE) >$@.cc; echo 'int main() { ns3::CreateObject<ns3::CsmaNetDevice>(); }' >>$@.cc; \
	! $(CXX) $(CXXFLAGS) -O0 -o $@.out $@.cc $(NS3_LIBS) >$@.log 2>&1 || found=yes; rm -f $@.out; \
	echo "NS3 := $$found" | cmp -s - $@ || echo "NS3 := $$found" >$@; }

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

LINK = $(CC) $(CFLAGS)
define link
$(say) LD $@
@mkdir -p $(@D)
$(Q)$(LINK) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(1) $(LDLIBS)
endef

$(BUILD)/warren-lab: $(BUILD)/obj/scenarios/runner/main.o $(ARCHIVES)
	$(call link)
$(BUILD)/stun-probe: $(BUILD)/obj/daemon/stun_probe.o $(ARCHIVES)
	$(call link)
$(BUILD)/warrend $(BUILD)/warren: $(BUILD)/%: $(BUILD)/obj/daemon/%.o $(ARCHIVES)
	$(call link)
$(TEST_BINARIES): $(BUILD)/test/%: $(BUILD)/obj/%.o $(ARCHIVES)
	$(call link,-lcmocka)
NS3_LINKED := $(patsubst %.c,$(BUILD)/test/%,$(NS3_TESTS)) $(BUILD)/warren-ns3
$(NS3_LINKED): LINK = $(CXX) $(CXXFLAGS)
$(filter %_test,$(NS3_LINKED)): $(BUILD)/test/%: $(BUILD)/obj/%.o $(NS3_OBJECTS) $(ARCHIVES)
	$(call link,$(NS3_LIBS) -lcmocka)
$(BUILD)/warren-ns3: $(BUILD)/obj/scenarios/ns3/main.o $(NS3_OBJECTS) $(ARCHIVES)
	$(call link,$(NS3_LIBS))
$(FUZZ_BINARIES): $(BUILD)/%: $(BUILD)/obj/%.o $(call objects,$(FUZZKIT)) $(ARCHIVES)
	$(call link)
$(BENCH_BINARIES) $(HELPERS): $(BUILD)/%: $(BUILD)/obj/%.o $(ARCHIVES)
	$(call link)
# They look beside themselves for what they measure.
$(BUILD)/bench/sim: | $(BUILD)/bench/warren-ns3
$(BUILD)/bench/warren-ns3: $(NS3_PROGRAM)
	@mkdir -p $(@D); ln -sf ../warren-ns3 $@
$(BUILD)/bench/tunnel: bench/tunnel.sh $(BUILD)/bench/tunnel_ceiling $(PROGRAMS)
	@install -m 755 $< $@

# ---- Checks ------------------------------------------------------------------------------------------------------

# Sweeps over thousands of cases of code that other tests enter, too: under sanitizers they take minutes and tell no more.
SWEEPS := $(if $(SAN),$(addprefix $(BUILD)/test/sim/,hostile_member_test oracle_test oracle_pair_stack_test))
TESTED := $(filter-out $(SWEEPS),$(TEST_BINARIES))

test-binaries: $(TESTED) $(FUZZ_BINARIES) $(PROGRAMS) $(NS3_TEST_BINARIES) $(NS3_PROGRAM)

test: deps-test test-binaries                     ## unit tests, corpora, purity, checks against other programs
	@BUILD=$(BUILD) ci/run-tests $(TESTED) $(NS3_TEST_BINARIES) $(FUZZ_BINARIES) $(SCRIPTS) $(if $(SAN),,ci/purity)
	@$(if $(SAN),echo 'skipped under sanitizers: ci/purity$(,) which builds for itself$(,) and sweeps: $(notdir $(SWEEPS))')
	@$(if $(filter yes,$(NS3)),:,echo 'skipped: tests on ns-3: $(if $(NS3),$(NS3_MISSING),its libraries are built without $(SAN)$(COVERAGE))')

# On ns-3 what only it has, and pairs, with one seed; in real time what asks for no times, which a busy machine cannot keep. warren-lab
# runs any other script there, too.
ON_sim   := $(SCENARIOS)
ON_ns3   := scenarios/pairs.lua scenarios/bufferbloat.lua scenarios/crowd.lua scenarios/ethernet.lua scenarios/mtu.lua
ON_tun   := scenarios/pairs.lua
ON_linux := scenarios/pairs.lua
scenarios: deps-build $(PROGRAMS) $(NS3_PROGRAM)  ## every scenario script, then some on ns-3 and with real daemons; ON=sim stops before these
	@set -e; $(foreach on,$(ON),printf '\nOn $(on):\n'; $(BUILD)/warren-lab run $(ON_$(on)) --on $(on)$(if $(filter ns3,$(on)), --seeds 1) --summary;)

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
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | while IFS="	" read -r t d; \
	do printf '  make %-12s %s\n' "$$t" "$$d"; done

-include $(OBJECTS:.o=.d) $(NS3_OBJECTS:.o=.d) $(NS3_TESTS:%.c=$(BUILD)/obj/%.d)
