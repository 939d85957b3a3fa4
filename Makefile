# Each target installs what it needs (with sudo if you are not root), says what it does and can be repeated.
# PG=15|16|17|18 chooses the version of PostgreSQL, PG_CONFIG=/path/to/pg_config a particular one.

export PG PG_CONFIG
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin

.PHONY: help demo demo-http psql stop test test-long test-all test-postgres install bench

help:
	@echo 'make demo            start a private server with an example of two tenants'
	@echo 'make demo-http       start PostgREST behind nginx, with requests to try and a page'
	@echo 'make demo SCENARIO=drivly, dramwell, api_example, infraaudit or founder_sherpa: a service over HTTP, with the requests of its document'
	@echo 'make psql            open the example in psql'
	@echo 'make stop            stop the servers of all of them'
	@echo 'make test            everything that must hold before a change is good'
	@echo 'make test-long       the tests that repeat something many times, with all of their rounds'
	@echo 'make test-all        the same with every version of PostgreSQL, and its own tests too'
	@echo 'make test-postgres   the tests of PostgreSQL itself, with pg_bearer loaded'
	@echo 'make install         install into PostgreSQL [DESTDIR=/path]'
	@echo 'make bench           measure'
	@echo 'PG=15|16|17|18 or PG_CONFIG=/path/to/pg_config chooses the PostgreSQL.'

demo-http test test-long test-all test-postgres bench:
	@xtask/setup.sh $@
	@cargo xtask $@

demo:
	@xtask/setup.sh $(if $(SCENARIO),demo-http,demo)
	@cargo xtask demo $(if $(SCENARIO),'$(SCENARIO)')

psql stop:
	@cargo xtask $@

install:
	@xtask/setup.sh install
	@cargo xtask install $(if $(DESTDIR),--destdir '$(DESTDIR)')
