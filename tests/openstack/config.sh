#!/bin/bash
# Writes all configuration files under $BASE/etc.
set -eu
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
mkdir -p "$ETC" "$RUN" "$LOG" "$STATE" "$FAULT" "$STATE/glance/images" \
    "$STATE/glance/staging" "$STATE/glance/tasks" "$STATE/lock"
db() { echo "mysql+pymysql://osrig:osrig@$HOST:$MYSQL_PORT/$1?charset=utf8"; }
mq="rabbit://guest:guest@$HOST:$RABBIT_PORT/"

auth() { # keystoneauth options of the service user
    cat <<C
auth_type = password
auth_url = $AUTH_URL
username = svc
password = $SVC_PASS
project_name = service
user_domain_name = Default
project_domain_name = Default
region_name = RegionOne
C
}
authtoken() {
    echo "[keystone_authtoken]"
    auth
    cat <<C
www_authenticate_uri = $AUTH_URL
token_cache_time = $TOKEN_CACHE
memcached_servers = $HOST:$MEMCACHED_PORT
service_token_roles = service
service_token_roles_required = true
C
}
common() {
    cat <<C
[oslo_concurrency]
lock_path = $STATE/lock
[oslo_messaging_rabbit]
heartbeat_in_pthread = false
heartbeat_timeout_threshold = 0
[oslo_messaging_notifications]
driver = noop
C
}

cat > "$ETC/rabbitmq.conf" <<C
listeners.tcp.default = $HOST:$RABBIT_PORT
loopback_users.guest = true
log.console = true
log.console.level = warning
C
echo '[].' > "$ETC/rabbitmq-advanced.config"
echo '[].' > "$ETC/rabbitmq-plugins"

cat > "$ETC/keystone.conf" <<C
[DEFAULT]
public_endpoint = http://$HOST:$KEYSTONE_PORT
log_file = $LOG/keystone-app.log
[database]
connection = $(db keystone)
[token]
provider = fernet
expiration = $TOKEN_TTL
# As by default: nova may end with a user's token what it began with it, if it shows its own besides.
allow_expired_window = 172800
[fernet_tokens]
key_repository = $STATE/keystone/fernet-keys
[credential]
key_repository = $STATE/keystone/credential-keys
[identity]
password_hash_rounds = 4
# Without a cache keystone makes some 150 SQL queries to check one token.
[cache]
enabled = true
backend = oslo_cache.memcache_pool
memcache_servers = $HOST:$MEMCACHED_PORT
C

cat > "$ETC/placement.conf" <<C
[DEFAULT]
log_file = $LOG/placement-app.log
[api]
auth_strategy = keystone
[placement_database]
connection = $(db placement)
[placement]
randomize_allocation_candidates = true
$(authtoken)
C

cp "$VENV/etc/glance/glance-api-paste.ini" "$ETC/glance-api-paste.ini"
cat > "$ETC/glance-api.conf" <<C
[DEFAULT]
bind_host = $HOST
bind_port = $GLANCE_PORT
workers = 1
enabled_backends = fs:file
worker_self_reference_url = http://$HOST:$GLANCE_PORT
node_staging_uri = file://$STATE/glance/staging
[glance_store]
default_backend = fs
[fs]
filesystem_store_datadir = $STATE/glance/images
[os_glance_staging_store]
filesystem_store_datadir = $STATE/glance/staging
[os_glance_tasks_store]
filesystem_store_datadir = $STATE/glance/tasks
[paste_deploy]
flavor = keystone
config_file = $ETC/glance-api-paste.ini
[database]
connection = $(db glance)
$(authtoken)
$(common)
C

fault_filter() { # fault_filter PASTE SERVICE: put our filter first in the pipelines
    python3 - "$1" "$2" <<'P'
import re, sys
path, service = sys.argv[1:]
text = open(path).read()
text = re.sub(r'^(keystone = cors) ', r'\1 osrigfault ', text, flags=re.M)
text += ('\n[filter:osrigfault]\npaste.filter_factory = '
         'osrig_fault:filter_factory\nservice = %s\n' % service)
open(path, 'w').write(text)
P
}
cp "$VENV/etc/nova/api-paste.ini" "$ETC/nova-api-paste.ini"
fault_filter "$ETC/nova-api-paste.ini" nova
cp "$VENV/etc/neutron/api-paste.ini" "$ETC/neutron-api-paste.ini"
fault_filter "$ETC/neutron-api-paste.ini" neutron

cat > "$ETC/neutron.conf" <<C
[DEFAULT]
bind_host = $HOST
bind_port = $NEUTRON_PORT
auth_strategy = keystone
api_paste_config = $ETC/neutron-api-paste.ini
state_path = $STATE/neutron
transport_url = $mq
core_plugin = ml2
service_plugins = osrig_router
dhcp_agent_notification = false
notify_nova_on_port_status_changes = true
notify_nova_on_port_data_changes = true
send_events_interval = 1
api_workers = 2
rpc_workers = 0
rpc_state_report_workers = 0
[ml2]
type_drivers = local,flat,vlan,vxlan
tenant_network_types = vxlan
mechanism_drivers = osrig
extension_drivers = port_security
[ml2_type_flat]
flat_networks = *
[ml2_type_vxlan]
vni_ranges = 1:4000
[securitygroup]
enable_security_group = true
[quotas]
quota_port = 10000
quota_floatingip = 1000
quota_network = 1000
quota_subnet = 1000
quota_router = 100
quota_security_group = 1000
quota_security_group_rule = 10000
[database]
connection = $(db neutron)
[nova]
$(auth)
$(authtoken)
$(common)
C

# nova-common.conf is all that nova-compute gets: it must not see a database.
cat > "$ETC/nova-common.conf" <<C
[DEFAULT]
transport_url = $mq
my_ip = $HOST
host = osrig
state_path = $STATE/nova
compute_driver = fake.FakeDriverWithoutFakeNodes
osapi_compute_listen = $HOST
osapi_compute_listen_port = $NOVA_PORT
osapi_compute_workers = 2
rpc_response_timeout = 20
vif_plugging_timeout = 0
vif_plugging_is_fatal = false
sync_power_state_interval = -1
initial_cpu_allocation_ratio = 100
initial_ram_allocation_ratio = 100
initial_disk_allocation_ratio = 100
max_concurrent_builds = 10
running_deleted_instance_action = noop
update_resources_interval = 60
[api]
auth_strategy = keystone
compute_link_prefix = http://$HOST:$NOVA_PORT
max_limit = $MAX_LIMIT
[wsgi]
api_paste_config = $ETC/nova-api-paste.ini
[conductor]
workers = 1
[scheduler]
workers = 1
discover_hosts_in_cells_interval = 10
[quota]
instances = 2000
cores = -1
ram = -1
key_pairs = 1000
[glance]
api_servers = http://$HOST:$GLANCE_PORT
[neutron]
$(auth)
[placement]
$(auth)
[service_user]
send_service_user_token = true
$(auth)
[vnc]
enabled = false
[upgrade_levels]
compute = auto
$(authtoken)
$(common)
C
{
    cat "$ETC/nova-common.conf"
    cat <<C
[api_database]
connection = $(db nova_api)
[database]
connection = $(db nova_cell1)
C
} > "$ETC/nova.conf"
for i in $(seq "$COMPUTES"); do
    mkdir -p "$ETC/nova-compute$i" "$STATE/nova-compute$i/instances"
    cat > "$ETC/nova-compute$i/compute.conf" <<C
[DEFAULT]
host = compute$i
state_path = $STATE/nova-compute$i
C
done
