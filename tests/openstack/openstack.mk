# A real OpenStack on 127.0.0.1, see docs/TESTING-OPENSTACK.md.

OPENSTACK_DIR := tests/openstack

.PHONY: openstack-up openstack-down test-openstack

openstack-up: ## Install (once) and start a real OpenStack on 127.0.0.1
	$(OPENSTACK_DIR)/install.sh
	$(OPENSTACK_DIR)/up.sh

openstack-down: ## Stop it; what is installed stays
	$(OPENSTACK_DIR)/down.sh

test-openstack: ## Run the scenarios against it; leave it as it was (ONLY=words: some scenarios)
	$(OPENSTACK_DIR)/test.sh $(ONLY)
