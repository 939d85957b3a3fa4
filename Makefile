# Each target installs what it needs (with sudo if you are not root), says what it does and can be repeated.
# PG_CONFIG=/path/to/pg_config chooses the PostgreSQL, which has to be 15 for now.

export PG_CONFIG
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin

.PHONY: help demo psql stop test install bench

help:
	@echo 'make demo      start a private server with an example of two tenants'
	@echo 'make psql      open the example in psql'
	@echo 'make stop      stop the server of the example'
	@echo 'make test      everything that must hold before a change is good'
	@echo 'make install   install into PostgreSQL [PG_CONFIG=/path/to/pg_config] [DESTDIR=/path]'
	@echo 'make bench     measure'

demo:
	@xtask/setup.sh demo
	@cargo xtask demo

psql:
	@cargo xtask psql

stop:
	@cargo xtask stop

test:
	@xtask/setup.sh test
	@cargo xtask test

install:
	@xtask/setup.sh install
	@cargo xtask install $(if $(DESTDIR),--destdir '$(DESTDIR)')

bench:
	@xtask/setup.sh bench
	@cargo xtask bench
