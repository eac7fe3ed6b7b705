{{/* The pod template of a component. */}}
{{- define "latewood.podTemplate" -}}
{{- $values := index .root.Values (snakecase .component) -}}
metadata:
  labels:
    {{- include "latewood.podSelectorLabels" . | nindent 4 }}
    {{- if .zone }}
    # By which Grafana's rollout-operator finds a zone's pods.
    name: {{ include "latewood.workloadName" . }}
    {{- end }}
    {{- with merge (dict) $values.podLabels .root.Values.global.extraLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    # Configuration is read once, at the start. Who the querier's peers are restarts nobody else, and how many are to found a
    # cluster nobody: one that was founded stays.
    {{- $config := include "latewood.config" .root | fromYaml }}
    {{- with dig "ingester" "ring" dict $config }}{{ $_ := unset . "founders" }}{{ end }}
    checksum/config: {{ ternary $config (omit $config "querier") (has .component (list "single" "querier")) | toYaml | sha256sum }}
    {{- with $values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "latewood.serviceAccountName" .root }}
  # Nothing here speaks to Kubernetes.
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with .root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- toYaml .root.Values.podSecurityContext | nindent 4 }}
  {{- with $values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
  containers:
    - {{ include "latewood.container" . | nindent 6 | trim }}
  {{- with include "latewood.placement" . }}
  {{- trim . | nindent 2 }}
  {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "latewood.fullname" .root }}
    {{- if not (dig "persistence" "enabled" false $values) }}
    - name: data
      emptyDir: {}
    {{- end }}
    {{- with $values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{- define "latewood.container" -}}
{{- $values := index .root.Values (snakecase .component) -}}
name: {{ include "latewood.role" . }}
image: {{ include "latewood.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
args:
  - {{ include "latewood.role" . }}
  - --config=/etc/latewood/latewood.yaml
  {{- if eq .component "ingester" }}
  - --ingester.ring.instance-addr=$(POD_NAME).{{ include "latewood.podDomain" . }}:9095
  {{- with .zone }}
  - --ingester.ring.instance-availability-zone={{ .name }}
  {{- end }}
  {{- end }}
  {{- range $values.extraArgs }}
  - {{ . | quote }}
  {{- end }}
{{- $podName := dict "name" "POD_NAME" "valueFrom" (dict "fieldRef" (dict "fieldPath" "metadata.name")) }}
{{- $keys := include "latewood.bucketKeys" .root | fromYamlArray }}
{{- with concat (ternary (list $podName) list (eq .component "ingester")) $keys .root.Values.global.extraEnv $values.extraEnv }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with concat .root.Values.global.extraEnvFrom $values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  - name: http
    containerPort: 9009
  - name: grpc
    containerPort: 9095
{{- range $probe, $path := dict "startup" "/-/healthy" "liveness" "/-/healthy" "readiness" "/ready" }}
{{ $probe }}Probe:
  httpGet:
    path: {{ $path }}
    port: http
  {{- toYaml (index $.root.Values.probes $probe) | nindent 2 }}
{{- end }}
resources:
  {{- toYaml $values.resources | nindent 2 }}
securityContext:
  {{- toYaml .root.Values.containerSecurityContext | nindent 2 }}
volumeMounts:
  - name: config
    mountPath: /etc/latewood
    readOnly: true
  - name: data
    mountPath: /data
  {{- with $values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* Where pods of a component may run; what a zone says goes before what the component says. */}}
{{- define "latewood.placement" -}}
{{- $values := index .root.Values (snakecase .component) -}}
{{- $zone := .zone | default dict -}}
{{- $affinity := merge (dict) (deepCopy ($zone.affinity | default dict)) (deepCopy $values.affinity) -}}
{{- if and (has .component (list "ingester" "store-gateway" "querier")) (not .zone) }}
{{- $affinity = merge $affinity (include "latewood.otherZones" . | fromYaml) -}}
{{- end }}
{{- with merge (dict) ($zone.nodeSelector | default dict) $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with concat $values.tolerations ($zone.tolerations | default list) }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- $selector := dict "labelSelector" (dict "matchLabels" (include "latewood.podSelectorLabels" $ | fromYaml)) }}
  {{- range . }}
  - {{ toYaml (merge (deepCopy .) $selector) | nindent 4 | trim }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Pods go to zones that have fewer of them. A second spread constraint would keep the scheduler from spreading over hosts
where these have no zones. */}}
{{- define "latewood.otherZones" -}}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: topology.kubernetes.io/zone
        labelSelector:
          matchLabels:
            {{- include "latewood.selectorLabels" . | nindent 12 }}
{{- end }}

{{/* The bucket's keys from the Secret that has them. */}}
{{- define "latewood.bucketKeys" -}}
{{- with .Values.bucketCredentials }}
{{- if .existingSecret }}
- name: AWS_ACCESS_KEY_ID
  valueFrom: {secretKeyRef: {name: {{ .existingSecret }}, key: {{ .accessKeyIdKey }}}}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ .existingSecret }}, key: {{ .secretAccessKeyKey }}}}
{{- end }}
{{- end }}
{{- end }}
