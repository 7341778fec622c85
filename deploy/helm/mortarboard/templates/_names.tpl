{{- define "mortarboard.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end }}
{{- end }}

{{/* Name of a service's things: (list $ service) */}}
{{- define "mortarboard.name" -}}
{{ include "mortarboard.fullname" (index . 0) }}-{{ index . 1 }}
{{- end }}

{{/* Name of the secret of a service, or of `ops`: (list $ service) */}}
{{- define "mortarboard.secret" -}}
{{- $root := index . 0 }}{{- get $root.Values.secrets.names (index . 1) | default (include "mortarboard.name" .) }}
{{- end }}

{{/* Labels of all: (list $ service) */}}
{{- define "mortarboard.labels" -}}
{{- $root := index . 0 -}}
helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version }}
app.kubernetes.io/version: {{ $root.Values.image.tag | default $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
{{ include "mortarboard.who" . }}
{{- end }}

{{/* Labels that select: (list $ service) */}}
{{- define "mortarboard.who" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/part-of: mortarboard
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* An image: (list $ name) */}}
{{- define "mortarboard.image" -}}
{{- $root := index . 0 }}{{- $image := $root.Values.image }}{{- $name := index . 1 -}}
{{ $image.registry }}{{ $image.repository }}/{{ $name }}
{{- with get $image.digests $name }}@{{ . }}{{ else }}:{{ $image.tag | default $root.Chart.AppVersion }}{{ end }}
{{- end }}

{{/* By which name Kafka knows somebody; Strimzi's users have the name of their resource: (list $ principal) */}}
{{- define "mortarboard.kafkaUser" -}}
{{- $root := index . 0 }}
{{- if $root.Values.kafka.strimzi.enabled }}{{ include "mortarboard.name" . }}-kafka{{ else }}{{ index . 1 }}{{ end }}
{{- end }}

{{/* Where Strimzi's resources go. */}}
{{- define "mortarboard.strimzi" -}}
{{ .Values.kafka.strimzi.namespace | default .Release.Namespace }}
{{- end }}

{{/* Everything of a pod that the restricted profile asks for. */}}
{{- define "mortarboard.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}
{{- define "mortarboard.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* A setting as text: large whole numbers reach a template as floats, which would be written 2.097152e+06. */}}
{{- define "mortarboard.text" -}}
{{ if and (kindIs "float64" .) (eq . (floor .)) }}{{ int64 . | quote }}{{ else }}{{ quote . }}{{ end }}
{{- end }}

{{/* Where every pod may run, and how its image is got. */}}
{{- define "mortarboard.place" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}
