# The only build file. `make help` explains the verbs.
#   VARIANT=release|asan|tsan|fuzz|cover   B=build folder   V=1 shows the commands   WERROR= for packagers

VARIANT ?= release
B       ?= build/$(VARIANT)
V       ?=
WERROR  ?= -Werror
PREFIX  ?= /usr/local
Q       := $(if $(V),,@)
say      = $(if $(V),,@printf '  %-7s %s\n' '$(1)' '$(2)')

CC      := gcc
PKG_CONFIG ?= pkg-config
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unknown)

# Libraries newer than the distribution's, built by `make deps` into a private prefix.
DEPS    := $(shell deploy/deps/deps.sh prefix 2>/dev/null)
ifneq ($(DEPS),)
PKG_CONFIG := PKG_CONFIG_PATH=$(DEPS)/lib/pkgconfig $(PKG_CONFIG)
# Installed, their copies lie beside the programs, where every uid may read them.
RPATH   := '-Wl,-rpath,$$ORIGIN/libs:$$ORIGIN/../libs:$(DEPS)/lib'
endif
# Each package by itself: one that is missing (before `make deps`) takes no other with it.
pkg      = $(foreach p,$(2),$(shell $(PKG_CONFIG) --$(1) $(p) 2>/dev/null))

WARN    := -Wall -Wextra -Wshadow -Wvla -Wundef -Wformat=2 -Wcast-qual -Wwrite-strings \
           -Wstrict-prototypes -Wmissing-prototypes -Wconversion -Wno-sign-conversion $(WERROR)
HARDEN  := -fstack-protector-strong -fstack-clash-protection -fcf-protection \
           -ftrivial-auto-var-init=zero
CFLAGS  ?= -O2 -g
STD     := -std=gnu17 -D_GNU_SOURCE -I. -pthread -fPIC
LINK    := -pthread -Wl,-z,relro,-z,now -Wl,--as-needed

ifeq ($(VARIANT),release)
STD     += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -Wimplicit-fallthrough=5
else ifeq ($(VARIANT),asan)
CFLAGS  := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
STD     += -DGUAC_SANITIZER=1
else ifeq ($(VARIANT),tsan)
CFLAGS  := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
STD     += -DGUAC_SANITIZER=1
else ifeq ($(VARIANT),fuzz)
CC      := clang
WARN    :=  # gcc's are the house's; clang only fuzzes
CFLAGS  := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
           -fno-sanitize-recover=undefined
STD     += -DGUAC_SANITIZER=1
HARDEN  :=
else ifeq ($(VARIANT),cover)
CFLAGS  := -O0 -g --coverage -fprofile-update=atomic
else
$(error VARIANT is release, asan, tsan, fuzz or cover)
endif

# ---- the house: folder -> objects, packages ---------------------------------------------------
objs     = $(patsubst %.c,$(B)/obj/%.o,$(filter-out %/main.c,$(sort $(wildcard $(1)/*.c))))

BASE_PKG      := jansson libseccomp libcrypto
HTTP_PKG      := libcurl
DISPLAY_PKG   := libpng libjpeg libwebp libdeflate pixman-1
TERM_PKG      := vterm freetype2 fontconfig libdeflate
SESSION_PKG   := libssl
SSH_PKG       := libssh2
KUBERNETES_PKG := openssl jansson
VNC_PKG       := libvncclient gnutls libgcrypt
RDP_PKG       := freerdp3 freerdp-client3 winpr3 libcrypto
RECORDING_PKG := libzstd libcrypto jansson
EVIDENCE_PKG  := sqlite3
CRD_PKG       := yaml-0.1 jansson
IMPORT_PKG    := expat
AUTHD_PKG     := libjwt libcrypto jansson
PROXY_PKG     := libwebsockets libuv openssl

BASE_O      := $(filter-out %/http.o,$(call objs,guacd/base))
HTTP_O      := $(filter %/http.o,$(call objs,guacd/base))
PROTO_O     := $(call objs,guacd/proto)
DISPLAY_O   := $(call objs,guacd/display)
TERM_O      := $(call objs,guacd/term)
SESSION_O   := $(call objs,guacd/session)
CLIP_O      := $(call objs,guacd/backends/clip) $(call objs,guacd/backends/cert)
SFTP_O      := $(call objs,guacd/backends/sftp)
CONSOLE_O   := $(call objs,guacd/backends/console) $(TERM_O)
RECORDING_O := $(call objs,recording)
CRD_O       := $(call objs,crd)
IMPORT_O    := $(call objs,deploy/import)

BACKENDS := $(notdir $(patsubst %/,%,$(dir $(wildcard guacd/backends/*/backend.c))))
BACKEND_SO := $(BACKENDS:%=$(B)/backends/%.so)

PROGRAMS := $(if $(wildcard guacd/daemon/main.c),guacd) \
            $(if $(wildcard guacd/session/main.c),guacd-session) \
            $(if $(wildcard proxy/proxy/main.c),guac-proxy) \
            $(if $(wildcard proxy/authd/main.c),guac-authd) \
            $(if $(wildcard recording/recorder/main.c),guac-recorder) \
            $(if $(wildcard recording/evidence/main.c),guac-evidence) guac-import
BINARIES := $(PROGRAMS:%=$(B)/%) $(B)/guac-prepare $(B)/guac-demo-shell $(B)/guac-demo-desktop
WEB      := $(if $(wildcard web-client/package.json),$(B)/web/.done)

.PHONY: chart all deps run link test unit it e2e fuzz bench lint cover man docs install dist image soak clean help \
        programs web crds corpus fuzzers format pkg-cflags
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:

all: programs web crds  ## everything, into build/release
crds: $(B)/crds/.done
programs: $(BINARIES) $(BACKEND_SO)
web: $(WEB)

# Sorted by word, so that a flag and its folder have to be one. Other people's headers are the
# system's: what newer compilers say of them is not for us to mend.
PKG_CFLAGS := $(sort $(patsubst -I%,-isystem%,$(subst -isystem ,-isystem,$(call pkg,cflags,$(sort $(BASE_PKG) $(HTTP_PKG) $(DISPLAY_PKG) $(TERM_PKG) \
    $(SESSION_PKG) $(SSH_PKG) $(VNC_PKG) $(RDP_PKG) $(RECORDING_PKG) $(EVIDENCE_PKG) $(CRD_PKG) $(IMPORT_PKG) $(AUTHD_PKG) $(PROXY_PKG) check)))))

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(STD) $(WARN) $(HARDEN) $(CFLAGS) $(VISIBILITY) $(PKG_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/obj/guacd/base/version.o: STD += -DGUAC_VERSION='"$(VERSION)"'
# Made anew when the version is another one.
ifneq ($(shell cat $(B)/version 2>/dev/null),$(VERSION))
$(shell mkdir -p $(B) && echo '$(VERSION)' >$(B)/version)
endif
$(B)/obj/guacd/base/version.o: $(B)/version

# It carries the script that bags are verified by.
$(B)/obj/recording/evidence/export.o: recording/evidence/verify.sh
# And it the description of its own interface.
$(B)/obj/proxy/authd/api.o: proxy/authd/openapi.json

# What a backend carries is hidden but for its one const struct; guacd-session exports to backends.
$(B)/obj/guacd/backends/%.o $(TERM_O): VISIBILITY := -fvisibility=hidden

libs_of = $(call pkg,libs,$(1)) $(RPATH)

$(B)/guacd: $(B)/obj/guacd/daemon/main.o $(call objs,guacd/daemon) $(PROTO_O) $(BASE_O)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -pie $(LINK) -o $@ $^ $(call libs_of,$(BASE_PKG))

# Backends find session, display, proto and base in the program that loads them.
$(B)/guacd-session: $(B)/obj/guacd/session/main.o $(SESSION_O) $(DISPLAY_O) $(PROTO_O) $(BASE_O)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -pie -rdynamic $(LINK) -o $@ $^ \
	    $(call libs_of,$(SESSION_PKG) $(DISPLAY_PKG) $(BASE_PKG)) -ldl -lm

$(B)/backends/demo.so: EXTRA :=
$(B)/backends/ssh.so: EXTRA = $(call libs_of,$(SSH_PKG) $(TERM_PKG)) -lm
$(B)/backends/ssh.so: $(CONSOLE_O) $(SFTP_O)
$(B)/backends/kubernetes.so: EXTRA = $(call libs_of,$(KUBERNETES_PKG) $(TERM_PKG)) -lm
$(B)/backends/kubernetes.so: $(CONSOLE_O)
# GnuTLS and its libraries keep what they allocate once: unloaded, that would be a leak.
$(B)/backends/vnc.so $(B)/backends/rdp.so: $(CLIP_O)
$(B)/backends/vnc.so: EXTRA = $(call libs_of,$(VNC_PKG) $(SSH_PKG)) -Wl,-z,nodelete
$(B)/backends/vnc.so $(B)/backends/rdp.so: $(SFTP_O)
# So do FreeRDP's.
$(B)/backends/rdp.so: EXTRA = $(call libs_of,$(SSH_PKG) $(RDP_PKG)) -Wl,-z,nodelete

.SECONDEXPANSION:
$(B)/backends/%.so: $$(call objs,guacd/backends/$$*)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -shared $(LINK) -o $@ $^ $(EXTRA)

$(B)/guac-recorder: $(B)/obj/recording/recorder/main.o $(call objs,recording/recorder) $(RECORDING_O) \
    $(PROTO_O) $(HTTP_O) $(BASE_O)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -pie $(LINK) -o $@ $^ \
	    $(call libs_of,$(RECORDING_PKG) $(HTTP_PKG) $(BASE_PKG))

$(B)/guac-evidence: $(B)/obj/recording/evidence/main.o $(call objs,recording/evidence) $(RECORDING_O) \
    $(PROTO_O) $(HTTP_O) $(BASE_O)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -pie $(LINK) -o $@ $^ \
	    $(call libs_of,$(EVIDENCE_PKG) $(RECORDING_PKG) $(HTTP_PKG) $(BASE_PKG))

$(B)/guac-authd: $(B)/obj/proxy/authd/main.o $(call objs,proxy/authd) $(CRD_O) $(RECORDING_O) \
    $(PROTO_O) $(HTTP_O) $(BASE_O)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -pie $(LINK) -o $@ $^ \
	    $(call libs_of,$(AUTHD_PKG) $(CRD_PKG) $(RECORDING_PKG) $(HTTP_PKG) $(BASE_PKG)) -lm

$(B)/guac-proxy: $(B)/obj/proxy/proxy/main.o $(call objs,proxy/proxy) $(PROTO_O) $(BASE_O)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -pie $(LINK) -o $@ $^ $(call libs_of,$(PROXY_PKG) $(BASE_PKG))

$(B)/guac-import: $(B)/obj/deploy/import/main.o $(IMPORT_O) $(CRD_O) $(PROTO_O) $(HTTP_O) $(BASE_O)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -pie $(LINK) -o $@ $^ \
	    $(call libs_of,$(IMPORT_PKG) $(CRD_PKG) $(HTTP_PKG) $(BASE_PKG))

# CustomResourceDefinitions: the chart takes them from here; they are never committed.
$(B)/guac-crds: $(B)/obj/deploy/crd/crds.o $(CRD_O) $(PROTO_O) $(HTTP_O) $(BASE_O)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -pie $(LINK) -o $@ $^ $(call libs_of,$(CRD_PKG) $(HTTP_PKG) $(BASE_PKG))
$(B)/crds/.done: $(B)/guac-crds
	$(call say,CRD,$(@D))
	@mkdir -p $(@D)
	$(Q)$(B)/guac-crds $(@D) && touch $@

# ---- web-client: hashed, pre-compressed files ---------------------------------------------------
WEB_SRC := $(shell find web-client -type f -not -path '*/node_modules/*' 2>/dev/null)
$(B)/web/.done: $(WEB_SRC)
	$(call say,WEB,$(@D))
	$(Q)web-client/build.sh $(abspath $(@D))
	@touch $@

# ---- manual -------------------------------------------------------------------------------------
# docs/man/ holds what people wrote; a program's keys come from its own table.
MANUALS  := $(wildcard docs/man/*.[18])
man: $(MANUALS:docs/man/%=$(B)/man/%)
docs: man $(B)/docs/reference.md  ## manual pages, and every field and parameter, from the tables
$(B)/docs/reference.md: $(B)/guac-crds
	@mkdir -p $(@D)
	$(Q){ echo '# Every field and parameter'; echo; $< --manual; } >$@
$(B)/man/%: docs/man/% $(BINARIES) $(B)/guac-crds
	$(call say,MAN,$@)
	@mkdir -p $(@D)
	$(Q)docs/man/fill.sh $< $(B) >$@

# ---- tests --------------------------------------------------------------------------------------
UNIT_SRC  := $(sort $(wildcard tests/unit/*/*.c))
UNIT_BIN  := $(UNIT_SRC:tests/unit/%.c=$(B)/unit/%)
UNIT_LIBS = $(call libs_of,check $(BASE_PKG) $(HTTP_PKG) $(DISPLAY_PKG) $(TERM_PKG) $(SESSION_PKG) \
            $(RECORDING_PKG) $(CRD_PKG) $(AUTHD_PKG)) -lm -ldl

# A test of tests/unit/<module>/ links that module, and what the module may include (the layers).
AUTHD_O   := $(call objs,proxy/authd)
PROXY_O   := $(call objs,proxy/proxy)
RECORDER_O := $(call objs,recording/recorder)
EVIDENCE_O := $(call objs,recording/evidence)
UNIT_base      := $(BASE_O) $(HTTP_O)
UNIT_proto     := $(PROTO_O) $(BASE_O)
UNIT_display   := $(DISPLAY_O) $(UNIT_proto)
UNIT_term      := $(TERM_O) $(UNIT_display)
UNIT_daemon    := $(B)/obj/guacd/daemon/known.o $(UNIT_proto)
UNIT_session   := $(SESSION_O) $(UNIT_display)
UNIT_ssh       := $(call objs,guacd/backends/ssh) $(CONSOLE_O) $(SFTP_O) $(UNIT_session)
UNIT_kubernetes := $(call objs,guacd/backends/kubernetes) $(CONSOLE_O) $(UNIT_session)
UNIT_vnc       := $(call objs,guacd/backends/vnc) $(CLIP_O) $(SFTP_O) $(UNIT_session)
UNIT_rdp       := $(call objs,guacd/backends/rdp) $(CLIP_O) $(SFTP_O) $(UNIT_session)
UNIT_recording := $(RECORDING_O) $(RECORDER_O) $(PROTO_O) $(BASE_O) $(HTTP_O)
UNIT_evidence  := $(RECORDING_O) $(EVIDENCE_O) $(PROTO_O) $(BASE_O) $(HTTP_O)
UNIT_crd       := $(CRD_O) $(PROTO_O) $(BASE_O) $(HTTP_O)
UNIT_authd     := $(AUTHD_O) $(CRD_O) $(RECORDING_O) $(PROTO_O) $(BASE_O) $(HTTP_O)
UNIT_proxy     := $(PROXY_O) $(PROTO_O) $(BASE_O)
UNIT_import    := $(IMPORT_O) $(UNIT_crd)
UNIT_EXTRA_import = $(call libs_of,$(IMPORT_PKG))
UNIT_EXTRA_proxy = $(call libs_of,$(PROXY_PKG))
UNIT_EXTRA_ssh = $(call libs_of,$(SSH_PKG))
UNIT_EXTRA_kubernetes = $(call libs_of,$(KUBERNETES_PKG))
UNIT_EXTRA_evidence = $(call libs_of,$(EVIDENCE_PKG))
UNIT_EXTRA_vnc = $(call libs_of,$(VNC_PKG) $(SSH_PKG))
UNIT_EXTRA_rdp = $(call libs_of,$(SSH_PKG) $(RDP_PKG))

$(B)/unit/%: $(B)/obj/tests/unit/%.o $$(UNIT_$$(firstword $$(subst /, ,$$*)))
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LINK) -o $@ $^ $(UNIT_EXTRA_$(firstword $(subst /, ,$*))) $(UNIT_LIBS)

$(B)/guac-load: $(B)/obj/tests/bench/load.o $(PROTO_O) $(BASE_O)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LINK) -o $@ $^ $(call libs_of,$(BASE_PKG))

# What moves on the desktops that the bench looks at.
$(B)/guac-motion: $(B)/obj/tests/bench/motion.o
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LINK) -o $@ $^ $(call libs_of,xcb xcb-shm) -lm

# Probes of tests/it/test_sandbox*.py: loaded into the programs under test, never installed.
PROBE_SO := $(B)/probe/preload.so $(B)/probe/backends/demo.so
.PHONY: probes
probes: $(PROBE_SO) $(B)/probe/crd_cluster $(B)/probe/crd_live
it: probes
PROBE_O  := $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/probe/probes*.c))
$(B)/probe/preload.so: $(B)/obj/tests/probe/preload.o $(PROBE_O)
$(B)/probe/backends/demo.so: $(B)/obj/tests/probe/backend.o $(PROBE_O)
$(PROBE_SO):
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -shared $(LINK) -o $@ $^

$(B)/probe/crd_%: $(B)/obj/tests/probe/crd_%.o $(UNIT_crd)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LINK) -o $@ $^ $(UNIT_LIBS)

$(B)/guac-demo-shell: $(B)/obj/deploy/run/demo-shell.o $(BASE_O)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -pie $(LINK) -o $@ $^ $(call libs_of,$(BASE_PKG))

$(B)/guac-demo-desktop: $(B)/obj/deploy/run/demo-desktop.o $(BASE_O)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -pie $(LINK) -o $@ $^ $(call libs_of,$(BASE_PKG))

# Of the images only.
$(B)/guac-prepare: $(B)/obj/deploy/image/prepare.o
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -pie $(LINK) -o $@ $^

# Fuzzers: tests/fuzz/<module>/<name>.c, corpus in tests/fuzz/corpus/<name>/. Without clang the same
# entry point replays the corpus (tests/fuzz/replay.c).
FUZZ_SRC := $(sort $(wildcard tests/fuzz/*/*.c))
FUZZ_BIN := $(FUZZ_SRC:tests/fuzz/%.c=$(B)/fuzz/%)
FUZZ_MAIN := $(if $(filter fuzz,$(VARIANT)),,$(B)/obj/tests/fuzz/replay.o)
$(B)/fuzz/%: $(B)/obj/tests/fuzz/%.o $(FUZZ_MAIN) $$(UNIT_$$(firstword $$(subst /, ,$$*)))
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(if $(filter fuzz,$(VARIANT)),-fsanitize=fuzzer) $(LINK) -o $@ $^ \
	    $(UNIT_EXTRA_$(firstword $(subst /, ,$*))) $(filter-out -lcheck%,$(UNIT_LIBS))

unit-bins: $(UNIT_BIN) $(FUZZ_BIN)
unit: unit-bins  ## unit tests and fuzz corpora, in seconds
	@tests/run.sh unit $(B)
corpus: $(FUZZ_BIN)
fuzzers: ; @$(MAKE) --no-print-directory VARIANT=fuzz B=build/fuzz corpus
fuzz: fuzzers  ## every fuzzer under ASan and UBSan, FUZZ_SECONDS=60 each (FUZZ=name for one)
	@tests/fuzz/run.sh build/fuzz $(or $(FUZZ_SECONDS),60) $(FUZZ)

it: all  ## integration tests against real servers (IT=pattern for some)
	@tests/run.sh it $(B) $(IT)
e2e: all  ## browser tests in real Chromium (E2E=pattern for some)
	@tests/run.sh e2e $(B) $(E2E)
test:  ## everything on real parts; ends with one line of counts
	@tests/run.sh all
bench: all $(B)/guac-load $(B)/guac-motion  ## figures of docs/benchmarks.md as table and JSON; PEER=host:port drives a second daemon
	@tests/bench/run.sh $(B)
deps:  ## install or build what this machine lacks
	@deploy/deps/deps.sh all
run:  ## a whole gateway on loopback with a demo target; PORT= and STATE= are honoured
	@deploy/run/run.sh
link:  ## another sign-in link while `make run` runs (STATE= as there)
	@$(B)/guac-authd link --config $(or $(STATE),$(or $(XDG_STATE_HOME),$(HOME)/.local/state)/guac)/authd.conf
cover:  ## lines and branches that the unit tests reach, in build/cover/index.html
	@$(MAKE) --no-print-directory VARIANT=cover B=build/cover unit-bins
	@tests/run.sh unit build/cover
	@gcovr --root . --filter '(guacd|proxy|recording|crd)/' --object-directory build/cover \
	    --print-summary --html-details build/cover/index.html | tail -n 3
# One folder, since guacd looks for its session and backends beside itself; bin/ has links. What is
# in SYSCONFDIR stays when it is there. Users, folders and services: docs/one-machine.md.
SYSCONFDIR ?= /etc/guac
lib      := $(DESTDIR)$(PREFIX)/lib
share    := $(DESTDIR)$(PREFIX)/share
etc      := $(DESTDIR)$(SYSCONFDIR)
place     = sed 's|@PREFIX@|$(PREFIX)|g' $(1) >$(2) && chmod 644 $(2)
install: all docs  ## into PREFIX=/usr/local (DESTDIR= for packagers): programs, manual pages, units
	install -d $(lib)/guac/backends $(DESTDIR)$(PREFIX)/bin $(share)/guac/crds $(share)/doc/guac \
	    $(share)/man/man1 $(share)/man/man8 $(lib)/systemd/system $(lib)/sysusers.d $(lib)/tmpfiles.d $(etc)
	install -m 755 $(PROGRAMS:%=$(B)/%) $(B)/guac-crds $(lib)/guac
	install -m 644 $(BACKEND_SO) $(lib)/guac/backends
	[ -z "$(DEPS)" ] || { install -d $(lib)/guac/libs && cp -P $(DEPS)/lib/lib*.so.* $(lib)/guac/libs; }
	rm -rf $(share)/guac/web
	cp -r $(B)/web $(share)/guac/web && rm -f $(share)/guac/web/.done
	install -m 644 $(B)/crds/*.yaml deploy/crd/*.yaml $(share)/guac/crds
	install -m 644 README.md SECURITY.md docs/*.md $(B)/docs/reference.md $(share)/doc/guac
	for p in $(filter-out guacd-session,$(PROGRAMS)) guac-crds; do \
	    ln -sf ../lib/guac/$$p $(DESTDIR)$(PREFIX)/bin/$$p; done
	for f in $(MANUALS:docs/man/%=%); do install -m 644 $(B)/man/$$f $(share)/man/man$${f##*.}; done
	for f in deploy/systemd/*.service deploy/systemd/*.target; do \
	    $(call place,$$f,$(lib)/systemd/system/$$(basename $$f)); done
	install -m 644 deploy/systemd/guac.sysusers $(lib)/sysusers.d/guac.conf
	install -m 644 deploy/systemd/guac.tmpfiles $(lib)/tmpfiles.d/guac.conf
	for f in deploy/etc/*.conf; do t=$(etc)/$$(basename $$f); [ -e $$t ] || $(call place,$$f,$$t); done
soak: all  ## 50 sessions for an hour, programs killed at random (SOAK="--minutes 5 --sessions 10")
	@B=$(abspath $(B)) /usr/bin/python3 tests/bench/soak.py $(SOAK)
dist:  ## the sources of HEAD as build/guac-VERSION.tar.gz
	@mkdir -p build
	git archive --prefix=guac-$(VERSION)/ -o build/guac-$(VERSION).tar.gz HEAD
chart: $(B)/crds/.done  ## the Helm chart with its CRDs, in build/chart
	@deploy/chart/pack.sh $(abspath $(B)) $(VERSION) build/chart
image: all  ## container images of the programs, without an engine, in build/image/guac.oci.tar
	@deploy/image/image.py $(abspath $(B)) $(VERSION) build/image/guac.oci.tar
lint:  ## layers, format, static analysis, shell, types
	@tests/lint/lint.sh
pkg-cflags:
	@echo '$(PKG_CFLAGS)'
format:
	clang-format -i $$(git ls-files '*.c' '*.h')
clean:
	rm -rf build
help:  ## this text
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

-include $(shell find $(B) -name '*.d' 2>/dev/null)
