#!/bin/sh
# The passwords and addresses of a new installation, as files, a folder for each of the chart's secrets:
#
#   deploy/helm/secrets.sh FOLDER HOST:PORT DATABASE ['?sslmode=…']
#
# HOST:PORT is PostgreSQL's, DATABASE the chart's postgres.database. What only you know is missing afterwards: the
# chart's README says what. A folder that is there is left alone: its master key opens what is stored.
set -eu
[ $# -ge 3 ] || { sed -n '4p' "$0" >&2; exit 2; }
folder=$1 server=$2 database=$3 parameters=${4:-}
umask 077
mkdir "$folder" "$folder/ops"

random() { head -c 32 /dev/urandom; }

key=$(random | base64)
for name in dialog dataset training agent console; do
    mkdir "$folder/$name-svc"
    for role in "${name}_svc_owner" "${name}_svc" "${name}_svc_http"; do
        password=$(random | od -An -vtx1 | tr -d ' \n')
        printf %s "$password" > "$folder/ops/$role"
        case $role in
            *_owner) continue ;;
            *_http) file=database-http-url ;;
            *) file=database-url ;;
        esac
        who="postgresql://$role:$password"
        printf %s "$who@$server/$database$parameters" > "$folder/$name-svc/$file"
    done
    case $name in
        training | agent | console) printf %s "$key" > "$folder/$name-svc/master-key" ;;
    esac
done
