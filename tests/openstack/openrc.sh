#!/bin/bash
# openrc.sh [scaler|admin]: prints the OS_* settings, to be sourced.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
case ${1:-scaler} in
scaler) user=scaler project=scaler pass=$SCALER_PASS ;;
admin) user=admin project=admin pass=$ADMIN_PASS ;;
*) echo "openrc.sh scaler|admin" >&2; exit 2 ;;
esac
cat <<C
export OS_AUTH_URL=$AUTH_URL
export OS_IDENTITY_API_VERSION=3
export OS_USERNAME=$user
export OS_PASSWORD='$pass'
export OS_USER_DOMAIN_NAME=Default
export OS_PROJECT_NAME=$project
export OS_PROJECT_DOMAIN_NAME=Default
export OS_REGION_NAME=RegionOne
export OS_INTERFACE=public
C
