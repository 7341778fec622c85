{{/* Settings of Kafka: (list $ principal) */}}
{{- define "mortarboard.kafkaEnv" -}}
{{- $kafka := (index . 0).Values.kafka }}{{- $folder := "/run/secrets/mortarboard" -}}
- {name: MORTARBOARD_KAFKA_BOOTSTRAP, value: {{ $kafka.bootstrap | quote }}}
- {name: MORTARBOARD_TOPIC_PREFIX, value: {{ $kafka.topicPrefix | quote }}}
- {name: MORTARBOARD_KAFKA_SECURITY, value: {{ $kafka.security }}}
{{- if hasSuffix "SSL" $kafka.security }}
{{- if $kafka.caSecret.name }}
- {name: MORTARBOARD_KAFKA_CA_FILE, value: {{ $folder }}/kafka-ca.crt}
{{- end }}
{{- if $kafka.clientCertificates }}
- {name: MORTARBOARD_KAFKA_CERT_FILE, value: {{ $folder }}/{{ ternary "kafka" "tls" $kafka.strimzi.enabled }}.crt}
- {name: MORTARBOARD_KAFKA_KEY_FILE, value: {{ $folder }}/{{ ternary "kafka" "tls" $kafka.strimzi.enabled }}.key}
{{- end }}
{{- end }}
{{- if hasPrefix "SASL" $kafka.security }}
- {name: MORTARBOARD_KAFKA_SASL_MECHANISM, value: {{ $kafka.saslMechanism }}}
{{- if eq $kafka.saslMechanism "OAUTHBEARER" }}
- {name: MORTARBOARD_KAFKA_TOKEN_URL, value: {{ $kafka.oauth.tokenUrl | quote }}}
- {name: MORTARBOARD_KAFKA_TOKEN_SCOPE, value: {{ $kafka.oauth.scope | quote }}}
- {name: MORTARBOARD_KAFKA_CLIENT_ID, value: {{ index . 1 }}}
- {name: MORTARBOARD_KAFKA_CLIENT_SECRET_FILE, value: {{ $folder }}/kafka-client-secret}
{{- else }}
- {name: MORTARBOARD_KAFKA_USERNAME, value: {{ include "mortarboard.kafkaUser" . }}}
- {name: MORTARBOARD_KAFKA_PASSWORD_FILE, value: {{ $folder }}/kafka-password}
{{- end }}
{{- end }}
{{- end }}

{{/* Settings of a service's process: (list $ service parts) */}}
{{- define "mortarboard.env" -}}
{{- $root := index . 0 }}{{- $name := index . 1 }}{{- $values := $root.Values -}}
{{- $service := get $values.services $name }}{{- $folder := "/run/secrets/mortarboard" -}}
- {name: MORTARBOARD_PARTS, value: {{ index . 2 | quote }}}
- {name: MORTARBOARD_INSTANCE, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
{{ include "mortarboard.kafkaEnv" (list $root $name) }}
- {name: MORTARBOARD_DATABASE_URL_FILE, value: {{ $folder }}/database-url}
- {name: MORTARBOARD_DATABASE_HTTP_URL_FILE, value: {{ $folder }}/database-http-url}
- {name: MORTARBOARD_OBJECTS_URL, value: {{ $values.objects.url | quote }}}
{{- with $values.objects.endpoint }}
- {name: MORTARBOARD_OBJECTS_ENDPOINT, value: {{ . | quote }}}
{{- end }}
{{- with $values.objects.region }}
- {name: MORTARBOARD_OBJECTS_REGION, value: {{ . | quote }}}
{{- end }}
{{- if $values.objects.keys }}
- {name: MORTARBOARD_OBJECTS_ACCESS_KEY_FILE, value: {{ $folder }}/objects-access-key}
- {name: MORTARBOARD_OBJECTS_SECRET_KEY_FILE, value: {{ $folder }}/objects-secret-key}
{{- end }}
- {name: MORTARBOARD_ISSUER, value: {{ $values.issuer.url | quote }}}
- {name: MORTARBOARD_JWKS_URL, value: {{ $values.issuer.jwksUrl | quote }}}
{{- with $values.monitoring.otlpEndpoint }}
- {name: MORTARBOARD_OTLP_ENDPOINT, value: {{ . | quote }}}
{{- end }}
{{- if $service.masterKey }}
- {name: MORTARBOARD_MASTER_KEY_FILE, value: {{ $folder }}/master-key}
{{- end }}
{{- if and $values.catalogue (has $name (list "dataset-svc" "training-svc" "agent-svc")) }}
- {name: MORTARBOARD_CATALOGUE, value: /etc/mortarboard/catalogue.yaml}
{{- end }}
{{- if eq $name "console-svc" }}
- {name: MORTARBOARD_PUBLIC_URL, value: {{ $values.console.publicUrl | quote }}}
- {name: MORTARBOARD_CLIENT_ID, value: {{ $values.console.clientId | quote }}}
{{- range $other := list "dialog" "dataset" "training" "agent" }}
- {name: MORTARBOARD_{{ upper $other }}_URL, value: "http://{{ include "mortarboard.name" (list $root (printf "%s-svc" $other)) }}:8080"}
{{- end }}
{{- if $service.clientSecret }}
- {name: MORTARBOARD_CLIENT_SECRET_FILE, value: {{ $folder }}/client-secret}
{{- end }}
{{- end }}
{{- range $key, $value := merge (dict) $service.settings $values.settings }}
- {name: MORTARBOARD_{{ $key }}, value: {{ include "mortarboard.text" $value }}}
{{- end }}
{{- end }}

{{/* The files of a service or job: its secret, its Kafka user, the authorities: (list $ principal) */}}
{{- define "mortarboard.secretVolume" -}}
{{- $root := index . 0 }}{{- $kafka := $root.Values.kafka }}{{- $principal := index . 1 -}}
{{- $secret := ternary "ops" $principal (eq $principal "mortarboardctl") -}}
name: secrets
projected:
  defaultMode: 0440
  sources:
    - secret: {name: {{ include "mortarboard.secret" (list $root $secret) }}}
{{- if and $kafka.strimzi.enabled (ne $principal "mortarboardctl") }}
    - secret:
        name: {{ include "mortarboard.kafkaUser" . }}
        items:
{{- if $kafka.clientCertificates }}
          - {key: user.crt, path: kafka.crt}
          - {key: user.key, path: kafka.key}
{{- else }}
          - {key: password, path: kafka-password}
{{- end }}
{{- end }}
{{- with $kafka.caSecret }}{{- if .name }}
    - secret: {name: {{ .name }}, items: [{key: {{ .key }}, path: kafka-ca.crt}]}
{{- end }}{{- end }}
{{- with $root.Values.postgres.caSecret }}{{- if .name }}
    - secret: {name: {{ .name }}, items: [{key: {{ .key }}, path: postgres-ca.crt}]}
{{- end }}{{- end }}
{{- end }}

{{/* The pod of a service: (list $ service part parts) */}}
{{- define "mortarboard.pod" -}}
{{- $root := index . 0 }}{{- $name := index . 1 }}{{- $part := index . 2 }}{{- $values := $root.Values -}}
{{- $own := get (get $values.services $name) $part }}{{- $http := eq $part "http" -}}
metadata:
  labels:
    {{- include "mortarboard.labels" (list $root $name) | nindent 4 }}
    mortarboard/part: {{ $part }}
  annotations:
    # what the process reads once; secrets are files that it reads again
    checksum/settings: {{ toJson (list $values.catalogue $values.kafka $values.objects) | sha256sum }}
    {{- with $values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "mortarboard.name" (list $root $name) }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  # the service gives itself 30 s to finish what is at hand
  terminationGracePeriodSeconds: 40
  securityContext: {{ include "mortarboard.podSecurity" . | nindent 4 }}
  {{- include "mortarboard.place" $root | nindent 2 }}
  {{- if $values.spread.enabled }}
  topologySpreadConstraints:
    {{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - maxSkew: 1
      topologyKey: {{ $key }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "mortarboard.who" (list $root $name) | nindent 10 }}
          mortarboard/part: {{ $part }}
    {{- end }}
  {{- end }}
  containers:
    - name: {{ $name }}
      image: {{ include "mortarboard.image" (list $root $name) }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      securityContext: {{ include "mortarboard.containerSecurity" . | nindent 8 }}
      env: {{ include "mortarboard.env" (list $root $name (index . 3)) | nindent 8 }}
      ports:
        {{- if $http }}
        - {name: http, containerPort: 8080}
        {{- end }}
        - {name: ops, containerPort: 8081}
      startupProbe: {httpGet: {path: /livez, port: ops}, periodSeconds: 2, failureThreshold: 60}
      livenessProbe: {httpGet: {path: /livez, port: ops}, periodSeconds: 10, timeoutSeconds: 3, failureThreshold: 3}
      readinessProbe: {httpGet: {path: /readyz, port: ops}, periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 2}
      {{- if $http }}
      # until every node knows that this pod takes no more requests
      lifecycle: {preStop: {sleep: {seconds: 5}}}
      {{- end }}
      resources: {{ toYaml $own.resources | nindent 8 }}
      volumeMounts:
        - {name: secrets, mountPath: /run/secrets/mortarboard, readOnly: true}
        - {name: tmp, mountPath: /tmp}
        {{- if $values.catalogue }}
        - {name: catalogue, mountPath: /etc/mortarboard, readOnly: true}
        {{- end }}
  volumes:
    - {{ include "mortarboard.secretVolume" (list $root $name) | nindent 6 | trim }}
    - {name: tmp, emptyDir: {sizeLimit: 2Gi}}
    {{- if $values.catalogue }}
    - {name: catalogue, configMap: {name: {{ include "mortarboard.fullname" $root }}-catalogue}}
    {{- end }}
{{- end }}
