#!/usr/bin/env bash
# A Slurm cluster of one node, this machine, on the loopback address: slurm.sh start|stop FOLDER.
# Needs root and Debian's slurm-wlm and munge; starts daemons of its own, and stops only those.
set -euo pipefail
folder=$(realpath -m "$2")
export SLURM_CONF=$folder/slurm.conf
case $1 in
start)
    mkdir -p "$folder"/{state,spool,log} /run/munge
    if ! munge -n > /dev/null 2>&1; then
        [ -s /etc/munge/munge.key ] || mungekey
        chown -R munge: /etc/munge /run/munge
        runuser -u munge -- munged
        cat /run/munge/munged.pid > "$folder/munged.pid"
    fi
    cat > "$SLURM_CONF" <<EOF
ClusterName=loopback
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
SchedulerParameters=sched_interval=1
MpiDefault=none
KillWait=5
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldPort=16817
SlurmdPort=16818
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/log/slurmctld
SlurmdLogFile=$folder/log/slurmd
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
NodeName=localhost NodeAddr=127.0.0.1 CPUs=$(nproc --all) State=UNKNOWN
PartitionName=all Nodes=localhost Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes=localhost MaxTime=INFINITE State=UP PriorityTier=2
EOF
    slurmctld
    slurmd -N localhost
    for _ in $(seq 60); do
        [ "$(sinfo --noheader --format=%T 2> /dev/null)" = idle ] && exit 0
        sleep 0.5
    done
    tail "$folder"/log/*
    exit 1
    ;;
stop)
    for daemon in slurmd slurmctld munged; do
        [ ! -s "$folder/$daemon.pid" ] || kill "$(cat "$folder/$daemon.pid")" || true
    done
    ;;
esac
