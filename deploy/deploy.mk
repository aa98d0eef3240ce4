# Packages: the Debian package, and what tests it and the image. `make help` lists the targets.

.PHONY: deb test-deb test-image

deb: static ## make a Debian package of the static program
	deploy/deb.sh '$(TARGET_DIR)'

test-deb: deb ## install, run, remove and purge the Debian package in a copy of this root (wants root)
	$(CARGO) build --quiet --locked --package simplescalevm-mock --bin mock-cloud
	tests/syscalls.sh '$(TARGET_DIR)/static/simplescalevm' '$(TARGET_DIR)/debug/mock-cloud'
	tests/package.sh '$(TARGET_DIR)'/deb/simplescalevm_*.deb '$(TARGET_DIR)/debug/mock-cloud'

test-image: ## build the image without Docker, and run it (wants root, buildah and debootstrap)
	$(CARGO) build --quiet --locked --package simplescalevm-mock --bin mock-cloud
	tests/image.sh '$(TARGET_DIR)' '$(TARGET_DIR)/debug/mock-cloud'
