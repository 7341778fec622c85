#!/bin/sh
# What apache/kafka does at its start: its own class turns KAFKA_… into server.properties and formats the folder.
set -eu
java="/opt/java/bin/java -XX:+UseSerialGC -XX:-UsePerfData -Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
jars=$(echo /opt/kafka/libs/*.jar | tr ' ' ':')
# shellcheck disable=SC2086 # the flags are words
said=$($java -cp "$jars" kafka.docker.KafkaDockerWrapper setup \
    --default-configs-dir /etc/kafka/docker \
    --mounted-configs-dir /mnt/shared/config \
    --final-configs-dir /opt/kafka/config 2>&1) || {
    echo "$said" | grep -qi "already formatted" || {
        echo "$said"
        exit 1
    }
}
# shellcheck disable=SC2086
exec $java ${KAFKA_HEAP_OPTS:--Xmx1G -Xms1G} ${KAFKA_OPTS:-} -cp "$jars" kafka.Kafka /opt/kafka/config/server.properties
