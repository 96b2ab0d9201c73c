{{- define "billing.name" -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end }}

{{- define "billing.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .process }}
{{- end }}

{{- define "billing.labels" -}}
{{ include "billing.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "billing.image" -}}
{{- with .Values.image -}}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) -}}{{- if .digest -}}@{{ .digest }}{{- end -}}
{{- end -}}
{{- end }}

{{/* Of each container: nothing may be written but /tmp, and nothing is root. */}}
{{- define "billing.container" -}}
image: {{ include "billing.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: ["ALL"]
envFrom:
  - secretRef:
      name: {{ required "secretName: name a Secret whose keys are settings (values.yaml)" .Values.secretName }}
volumeMounts:
  - name: tmp
    mountPath: /tmp
{{- end }}

{{- define "billing.settings" -}}
{{- if not .Values.settings.KAFKA_BROKER }}{{ fail "settings.KAFKA_BROKER: set it to host:port of a Kafka broker" }}{{ end -}}
{{- range $name, $value := .Values.settings }}
{{- if ne (toString $value) "" }}
- name: {{ $name }}
  value: {{ toString $value | quote }}
{{- end }}
{{- end }}
- name: STOP_WITHIN
  value: {{ toString .Values.stopWithin | quote }}
{{- end }}

{{- define "billing.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  seccompProfile:
    type: RuntimeDefault
volumes:
  - name: tmp
    emptyDir:
      sizeLimit: 64Mi
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The processes: what each is started with, whether it answers Prometheus, and how long it may take to end. */}}
{{- define "billing.processes" -}}
bridge:
  command: [python, manage.py, bridge{{ with .Values.bridge.from }}, --from, {{ . | quote }}{{ end }}]
  metrics: true
  grace: {{ add .Values.stopWithin 15 }}
  egress: [postgres, redis, kafka]
worker:
  command: [celery, -A, billing_project, worker]
  metrics: true
  grace: {{ .Values.worker.terminationGracePeriodSeconds }}
  egress: [postgres, redis, https]
beat:
  command: [celery, -A, billing_project, beat]
  metrics: false
  grace: 30
  egress: [postgres, redis]
relay:
  command: [python, manage.py, relay]
  metrics: true
  grace: {{ add .Values.stopWithin 15 }}
  egress: [postgres, kafka]
web:
  command: [gunicorn, billing_project.wsgi]
  metrics: true
  # 5 s until no request comes any more, and 20 s for those in hand.
  grace: 35
  # Kafka and Stripe also for the commands that operators run in its pods.
  egress: [postgres, redis, kafka, https]
{{- end }}
