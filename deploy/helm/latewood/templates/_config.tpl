{{/* The configuration file: what the chart knows, under what the values say. Empty texts stand for the default. */}}
{{- define "latewood.config" -}}
{{- $given := deepCopy .Values.config -}}
{{- range $key := list "url" "s3_endpoint" }}
{{- if and (hasKey $given.bucket $key) (not (index $given.bucket $key)) }}
{{- $_ := unset $given.bucket $key }}
{{- end }}
{{- end }}
{{- if not $given.bucket }}{{ $_ := unset $given "bucket" }}{{ end }}
{{- $known := dict -}}
{{- if eq .Values.mode "distributed" }}
{{- include "latewood.checkBucket" . }}
{{- if .Values.querier.enabled }}{{ $_ := set $known "querier" (include "latewood.peersConfig" . | fromYaml) }}{{ end }}
{{- if .Values.ingester.enabled }}
{{- $_ := set $known "ingester" (dict "ring" (include "latewood.ringConfig" . | fromYaml)) }}
{{- end }}
{{- $_ := set $known "shutdown_delay_seconds" 5 }}
{{- end }}
{{- $fixed := dict "data_dir" "/data" "service" (dict "http_addr" ":9009" "grpc_addr" ":9095") -}}
{{- toYaml (mergeOverwrite $known $given $fixed) }}
{{- end }}

{{/* Processes that share nothing but the bucket must be told one that all of them see. */}}
{{- define "latewood.checkBucket" -}}
{{- $url := dig "bucket" "url" "" .Values.config -}}
{{- if not (regexMatch "^(s3|gs|az)://." $url) }}
{{- fail "config.bucket.url must be s3://…, gs://… or az://… in mode distributed: pods share nothing but the bucket" }}
{{- end }}
{{- end }}

{{/* The peers that the chart deploys. For those that it does not, the values must say where they are. */}}
{{- define "latewood.peersConfig" -}}
{{- $root := . -}}
{{- range $component := list "ingester" "store-gateway" }}
{{- $key := snakecase $component }}
{{- $setting := printf "%s_addrs" $key }}
{{- if (index $root.Values $key).enabled }}
{{ $setting }}:
  - {{ include "latewood.peers" (dict "root" $root "component" $component) }}
{{- else if not (dig "querier" $setting list $root.Values.config) }}
{{- fail (printf "%s.enabled is false: config.querier.%s must say where they are that the querier asks" $key $setting) }}
{{- end }}
{{- end }}
{{- if and .Values.ingester.enabled (not (include "latewood.isCluster" .)) }}
min_ingesters: {{ .Values.ingester.replicas }}
{{- end }}
{{- end }}

{{/* "true" unless the values say that each ingester stands alone. A cluster tells queriers itself who must answer. */}}
{{- define "latewood.isCluster" -}}
{{- $members := dig "ingester" "ring" "join_members" nil .Values.config -}}
{{- if or (kindIs "invalid" $members) $members }}true{{ end }}
{{- end }}

{{/* The ingesters as a cluster. What a pod alone knows is in its flags. */}}
{{- define "latewood.ringConfig" -}}
join_members:
  - {{ include "latewood.peers" (dict "root" . "component" "ingester") }}
founders: {{ .Values.ingester.replicas }}
{{- end }}
