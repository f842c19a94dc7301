#!/bin/sh
# Runs N servers under approot: `approot.sh APPROOT FOLDER N BASE SERVER [ARGUMENT]...` starts the server with its port,
# BASE and those that follow, as its last argument. One role of N instances; FOLDER gets the service and the state.
# The role is elevated, as the servers of the others are: a limited one could not execute a server outside its approot.
set -eu
approot=$1 folder=$2 n=$3 base=$4
shift 4
mkdir -p "$folder/ServersContent"
namespace=http://schemas.microsoft.com/ServiceHosting/2008/10
cat >"$folder/ServiceDefinition.csdef" <<EOF
<ServiceDefinition name="Servers" xmlns="$namespace/ServiceDefinition">
  <WorkerRole name="Servers"><Runtime executionContext="elevated"><EntryPoint>
    <ProgramEntryPoint commandLine="run.sh" setReadyOnProcessStart="true" />
  </EntryPoint></Runtime></WorkerRole>
</ServiceDefinition>
EOF
cat >"$folder/ServiceConfiguration.Local.cscfg" <<EOF
<ServiceConfiguration serviceName="Servers" xmlns="$namespace/ServiceConfiguration">
  <Role name="Servers"><Instances count="$n" /></Role>
</ServiceConfiguration>
EOF
# As the run scripts of runit and s6 are.
cat >"$folder/ServersContent/run.sh" <<EOF
#!/bin/sh
exec $* \$(($base + \${RoleInstanceID##*_}))
EOF
chmod +x "$folder/ServersContent/run.sh"
exec "$approot" run "$folder" --configuration Local --state "$folder/state"
