{{/* Names, labels and choices. A helper that is about one component takes (dict "root" $ "component" NAME). */}}

{{- define "latewood.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Leaves room for the longest suffix, "-store-gateway-headless", and a pod's number within 63 characters. */}}
{{- define "latewood.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 36 | trimSuffix "-" }}
{{- end }}

{{/* Of a component: FULLNAME in mode single, else FULLNAME-COMPONENT. */}}
{{- define "latewood.componentName" -}}
{{- $full := include "latewood.fullname" .root -}}
{{- ternary $full (printf "%s-%s" $full .component) (eq .component "single") }}
{{- end }}

{{/* Of a workload: the component's, or FULLNAME-ingester-ZONE of the ingesters of a zone. Kubernetes puts a hash behind it. */}}
{{- define "latewood.workloadName" -}}
{{- $name := include "latewood.componentName" . -}}
{{- if .zone }}
{{- $name = printf "%s-%s" $name .zone.name -}}
{{- if gt (len $name) 52 }}
{{- fail (printf "ingester.zones: %s has more than 52 letters: give the zone a shorter name, or the release by fullnameOverride" $name) }}
{{- end }}
{{- end }}
{{- $name }}
{{- end }}

{{- define "latewood.selectorLabels" -}}
app.kubernetes.io/name: {{ include "latewood.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Of the pods of one workload. */}}
{{- define "latewood.podSelectorLabels" -}}
{{ include "latewood.selectorLabels" . }}
{{- with .zone }}
zone: {{ .name }}
{{- end }}
{{- end }}

{{- define "latewood.commonLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: {{ include "latewood.name" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.global.extraLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "latewood.labels" -}}
{{ include "latewood.selectorLabels" . }}
{{ include "latewood.commonLabels" .root }}
{{- end }}

{{/* Labels of what belongs to no component. */}}
{{- define "latewood.sharedLabels" -}}
app.kubernetes.io/name: {{ include "latewood.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{ include "latewood.commonLabels" . }}
{{- end }}

{{/* "true" where a component is deployed. */}}
{{- define "latewood.isDeployed" -}}
{{- $single := eq .component "single" -}}
{{- if eq .root.Values.mode "single" }}{{ ternary "true" "" $single }}
{{- else if not $single }}{{ ternary "true" "" (index .root.Values (snakecase .component)).enabled }}
{{- end }}
{{- end }}

{{- define "latewood.serviceAccountName" -}}
{{- $created := ternary (include "latewood.fullname" .) "default" .Values.serviceAccount.create -}}
{{- default $created .Values.serviceAccount.name }}
{{- end }}

{{- define "latewood.image" -}}
{{- $image := .Values.image -}}
{{- $name := list $image.registry $image.repository | compact | join "/" -}}
{{- if $image.digest }}{{ printf "%s@%s" $name $image.digest }}
{{- else }}{{ printf "%s:%s" $name (default .Chart.AppVersion $image.tag) }}
{{- end }}
{{- end }}

{{/* The subcommand that runs a component. */}}
{{- define "latewood.role" -}}
{{- ternary "all" .component (eq .component "single") }}
{{- end }}

{{/* The domain of a component's pods: that of its headless service. */}}
{{- define "latewood.podDomain" -}}
{{- $name := include "latewood.componentName" . -}}
{{- printf "%s-headless.%s.svc.%s" $name .root.Release.Namespace (trimSuffix "." .root.Values.global.clusterDomain) }}
{{- end }}

{{/* Where all pods of a component are found: the SRV records of its headless service. */}}
{{- define "latewood.peers" -}}
{{- printf "dnssrv+_grpc._tcp.%s." (include "latewood.podDomain" .) }}
{{- end }}

{{/* How many pods a workload has: its zone's share of all. */}}
{{- define "latewood.replicas" -}}
{{- $values := index .root.Values (snakecase .component) -}}
{{- $zones := ternary (len ($values.zones | default list)) 1 (hasKey . "zone") | int -}}
{{- if mod (int $values.replicas) $zones }}
{{- fail (printf "ingester.replicas is of all zones together: %d is no multiple of %d" (int $values.replicas) $zones) }}
{{- end }}
{{- div (int $values.replicas) $zones }}
{{- end }}
