{{/* The resources of a component; each is empty where the component is not deployed. */}}

{{- define "latewood.statefulSet" -}}
{{- if include "latewood.isDeployed" . }}
{{- $values := index .root.Values (snakecase .component) -}}
apiVersion: apps/v1
kind: StatefulSet
metadata:
  {{- include "latewood.workloadMetadata" . | nindent 2 }}
spec:
  {{- if not (include "latewood.isScaled" .) }}
  replicas: {{ include "latewood.replicas" . }}
  {{- end }}
  serviceName: {{ include "latewood.componentName" . }}-headless
  # At a start nobody waits for anybody: those who found a cluster wait for each other. Updates go one by one all the same.
  podManagementPolicy: Parallel
  {{- if eq .component "ingester" }}
  # A replica that is back catches up before the next one goes.
  minReadySeconds: 10
  {{- end }}
  updateStrategy:
    {{- if .zone }}
    # Else the first pods of all zones would be updated at the same time.
    type: OnDelete
    {{- else }}
    type: RollingUpdate
    {{- end }}
  selector:
    matchLabels:
      {{- include "latewood.podSelectorLabels" . | nindent 6 }}
  template:
    {{- include "latewood.podTemplate" . | nindent 4 }}
  {{- with $values.persistence }}
  {{- if .enabled }}
  volumeClaimTemplates:
    - apiVersion: v1
      kind: PersistentVolumeClaim
      metadata:
        name: data
        {{- with .annotations }}
        annotations:
          {{- toYaml . | nindent 10 }}
        {{- end }}
      spec:
        accessModes:
          {{- toYaml .accessModes | nindent 10 }}
        {{- with dig "storageClassName" .storageClassName ($.zone | default dict) }}
        storageClassName: {{ . }}
        {{- end }}
        resources:
          requests:
            storage: {{ .size }}
  {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "latewood.deployment" -}}
{{- if include "latewood.isDeployed" . }}
{{- $values := index .root.Values (snakecase .component) -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "latewood.workloadMetadata" . | nindent 2 }}
spec:
  {{- if not (include "latewood.isScaled" .) }}
  replicas: {{ $values.replicas }}
  {{- end }}
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxUnavailable: 0
      maxSurge: 1
  selector:
    matchLabels:
      {{- include "latewood.selectorLabels" . | nindent 6 }}
  template:
    {{- include "latewood.podTemplate" . | nindent 4 }}
{{- end }}
{{- end }}

{{- define "latewood.workloadMetadata" -}}
name: {{ include "latewood.workloadName" . }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "latewood.labels" . | nindent 2 }}
  {{- with .zone }}
  zone: {{ .name }}
  rollout-group: {{ include "latewood.componentName" $ }}
  {{- end }}
{{- with (index .root.Values (snakecase .component)).annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "latewood.service" -}}
{{- if include "latewood.isDeployed" . }}
{{- $service := (index .root.Values (snakecase .component)).service -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "latewood.componentName" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "latewood.labels" . | nindent 4 }}
    {{- with $service.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $service.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ $service.type }}
  selector:
    {{- include "latewood.selectorLabels" . | nindent 4 }}
  ports:
    {{- include "latewood.servicePorts" . | nindent 4 }}
{{- end }}
{{- end }}

{{/* By which queriers find each pod. With "unready" set, pods that are not ready are found as well. */}}
{{- define "latewood.headlessService" -}}
{{- if include "latewood.isDeployed" . -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "latewood.componentName" . }}-headless
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "latewood.labels" . | nindent 4 }}
    # So that a ServiceMonitor can leave one of the two services out, as for the charts of Mimir.
    prometheus.io/service-monitor: "false"
spec:
  type: ClusterIP
  clusterIP: None
  publishNotReadyAddresses: {{ .unready }}
  selector:
    {{- include "latewood.selectorLabels" . | nindent 4 }}
  ports:
    {{- include "latewood.servicePorts" . | nindent 4 }}
{{- end }}
{{- end }}

{{- define "latewood.servicePorts" -}}
- name: http
  port: 9009
  targetPort: http
- name: grpc
  port: 9095
  targetPort: grpc
{{- end }}

{{- define "latewood.podDisruptionBudget" -}}
{{- if include "latewood.isDeployed" . }}
{{- with (index .root.Values (snakecase .component)).podDisruptionBudget -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "latewood.componentName" $ }}
  namespace: {{ $.root.Release.Namespace }}
  labels:
    {{- include "latewood.labels" $ | nindent 4 }}
spec:
  # Kubernetes takes one of the two; minAvailable is given by somebody, maxUnavailable by the chart.
  {{- toYaml (ternary (pick . "minAvailable") . (hasKey . "minAvailable")) | nindent 2 }}
  selector:
    matchLabels:
      {{- include "latewood.selectorLabels" $ | nindent 6 }}
{{- end }}
{{- end }}
{{- end }}

{{/* "true" where a HorizontalPodAutoscaler says how many pods there are. */}}
{{- define "latewood.isScaled" -}}
{{- if dig "autoscaling" "enabled" false (index .root.Values (snakecase .component)) }}true{{ end }}
{{- end }}

{{- define "latewood.autoscaler" -}}
{{- if and (include "latewood.isDeployed" .) (include "latewood.isScaled" .) }}
{{- $scaling := (index .root.Values (snakecase .component)).autoscaling -}}
{{- if not (or $scaling.targetCPUUtilizationPercentage $scaling.targetMemoryUtilizationPercentage) }}
{{- fail (printf "%s.autoscaling: a target is needed" (snakecase .component)) }}
{{- end }}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "latewood.componentName" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "latewood.labels" . | nindent 4 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: {{ .kind }}
    name: {{ include "latewood.workloadName" . }}
  minReplicas: {{ $scaling.minReplicas }}
  maxReplicas: {{ $scaling.maxReplicas }}
  metrics:
    {{- range $resource, $target := dict "cpu" $scaling.targetCPUUtilizationPercentage "memory" $scaling.targetMemoryUtilizationPercentage }}
    {{- if $target }}
    - type: Resource
      resource: {name: {{ $resource }}, target: {type: Utilization, averageUtilization: {{ $target }}}}
    {{- end }}
    {{- end }}
  {{- with $scaling.behavior }}
  behavior:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}
