{{- define "switchyard.name" -}}
{{- default .Release.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Labels that select a service's pods. Takes root and service. */}}
{{- define "switchyard.selector" -}}
app.kubernetes.io/name: {{ .service }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end -}}

{{- define "switchyard.labels" -}}
{{ include "switchyard.selector" . }}
app.kubernetes.io/part-of: switchyard
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "switchyard.image" -}}
{{ .root.Values.image.registry }}/{{ .service }}:{{ default .root.Chart.AppVersion .root.Values.image.tag }}
{{- end -}}

{{/* Nothing runs as root, nothing can be written but /tmp. */}}
{{- define "switchyard.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "switchyard.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: ["ALL"] }
{{- end -}}

{{/* Environment of a service: the runtime's section, its listeners, its secrets' files, and the
     addresses of the services it may call. */}}
{{- define "switchyard.env" -}}
{{- $root := .root -}}
{{- $service := .service -}}
{{- $name := include "switchyard.name" $root -}}
{{- $spec := index $root.Values.services $service -}}
{{- $prefix := printf "YARD_%s" ($service | upper | replace "-" "_") -}}
{{- $env := dict -}}
{{- $_ := set $env "RUNTIME__ADMIN_LISTEN" (printf "0.0.0.0:%d" (int $spec.adminPort)) -}}
{{- $_ := set $env "RUNTIME__LOG_LEVEL" $root.Values.telemetry.logLevel -}}
{{- $_ := set $env "RUNTIME__OTLP_ENDPOINT" $root.Values.telemetry.otlpEndpoint -}}
{{- $_ := set $env "RUNTIME__SAMPLE_RATIO" $root.Values.telemetry.sampleRatio -}}
{{- $_ := set $env "RUNTIME__ENVIRONMENT" $root.Values.environment -}}
{{- $_ := set $env "RUNTIME__DRAIN_DELAY" "5s" -}}
{{- $_ := set $env "RUNTIME__DRAIN_DEADLINE" "30s" -}}
{{- $_ := set $env "IDENTITY__KEY_FILE" "/etc/switchyard/service/service.key" -}}
{{- $_ := set $env "IDENTITY__TRUST_FILE" "/etc/switchyard/trust/trust.json" -}}
{{- range $port, $number := $spec.ports -}}
{{- $_ := set $env (printf "%s__LISTEN" (upper $port)) (printf "0.0.0.0:%d" (int $number)) -}}
{{- end -}}
{{- if has $service (list "auth" "comms-websocket" "device-ingest" "scheduler" "worker") -}}
{{- $_ := set $env "POSTGRES__URL_FILE" "/etc/switchyard/service/postgres-url" -}}
{{- end -}}
{{- $_ := set $env "NATS__URL_FILE" "/etc/switchyard/service/nats-url" -}}
{{- $_ := set $env "NATS__REPLICAS" 3 -}}
{{- if has $service (list "auth" "comms-websocket") -}}
{{- $_ := set $env "REDIS__URL_FILE" "/etc/switchyard/service/redis-url" -}}
{{- end -}}
{{- if eq $service "auth" -}}
{{- $_ := set $env "SEALING__KEY_FILE" "/etc/switchyard/service/sealing.key" -}}
{{- $_ := set $env "AUDIT__ROOT_KEY_FILE" "/etc/switchyard/service/audit-root.key" -}}
{{- $_ := set $env "ISSUER__KEY_FILE" "/etc/switchyard/service/auth-issuer.key" -}}
{{- $_ := set $env "ISSUER__PUBLIC_URL" (printf "https://%s" $root.Values.ingress.host) -}}
{{- $_ := set $env "DEVICE_CA__CERT_FILE" "/etc/switchyard/service/device-ca.pem" -}}
{{- $_ := set $env "DEVICE_CA__KEY_FILE" "/etc/switchyard/service/device-ca.key" -}}
{{- if $root.Values.est.enabled -}}
{{- $_ := set $env "EST__LISTEN" (printf "0.0.0.0:%d" (int $root.Values.est.port)) -}}
{{- $_ := set $env "EST__CERT_FILE" "/etc/switchyard/service/est.pem" -}}
{{- $_ := set $env "EST__KEY_FILE" "/etc/switchyard/service/est.key" -}}
{{- end -}}
{{- $_ := set $env "MQTT__HOST" $root.Values.mqtt.host -}}
{{- $_ := set $env "MQTT__PORT" $root.Values.mqtt.port -}}
{{- $_ := set $env "MAIL__CONSOLE_URL" (printf "https://%s" $root.Values.ingress.host) -}}
{{- $_ := set $env "MAIL__LOCALE" $root.Values.mail.locale -}}
{{- if $root.Values.mail.enabled -}}
{{- $_ := set $env "MAIL__SMTP_URL_FILE" "/etc/switchyard/service/smtp-url" -}}
{{- $_ := set $env "MAIL__FROM" $root.Values.mail.from -}}
{{- end -}}
{{- if $root.Values.registration.open -}}
{{- if not $root.Values.mail.enabled -}}{{- fail "registration.open needs mail.enabled" -}}{{- end -}}
{{- $_ := set $env "REGISTRATION__OPEN" true -}}
{{- $_ := set $env "REGISTRATION__PLAN" $root.Values.registration.plan -}}
{{- end -}}
{{- end -}}
{{- if eq $service "device-ingest" -}}
{{- $_ := set $env "AUTH__ENDPOINT" (printf "http://%s-auth:%d" $name (int (index $root.Values.services "auth").ports.grpc)) -}}
{{- $_ := set $env "MQTT__HOST" $root.Values.mqtt.host -}}
{{- $_ := set $env "MQTT__PORT" $root.Values.mqtt.port -}}
{{- $_ := set $env "MQTT__CA_FILE" "/etc/switchyard/service/device-ca.pem" -}}
{{- $_ := set $env "MQTT__CERT_FILE" "/etc/switchyard/service/mqtt.pem" -}}
{{- $_ := set $env "MQTT__KEY_FILE" "/etc/switchyard/service/mqtt.key" -}}
{{- end -}}
{{- if eq $service "comms-websocket" -}}
{{- $_ := set $env "SEALING__KEY_FILE" "/etc/switchyard/service/sealing.key" -}}
{{- $_ := set $env "SOCKET__APP_SECRET_FILE" "/etc/switchyard/service/app-secret" -}}
{{- /* Nobody reaches it but the gateway, behind the ingress; see network-policies.yaml. */ -}}
{{- $_ := set $env "TLS__TERMINATED_BY_PROXY" true -}}
{{- $_ := set $env "SOCKET__ALLOWED_ORIGINS" (printf "[\"https://%s\"]" $root.Values.ingress.host) -}}
{{- end -}}
{{- if eq $service "api-gateway" -}}
{{- range $owner := list "auth" "device-ingest" "comms-websocket" "scheduler" "worker" -}}
{{- $port := int (index $root.Values.services $owner).ports.grpc -}}
{{- $_ := set $env (printf "UPSTREAMS__%s" ($owner | upper | replace "-" "_")) (printf "http://%s-%s:%d" $name $owner $port) -}}
{{- end -}}
{{- $_ := set $env "UPSTREAMS__SOCKET" (printf "%s-comms-websocket:%d" $name (int (index $root.Values.services "comms-websocket").ports.socket)) -}}
{{- $_ := set $env "PASS_THROUGH__UPSTREAM" (printf "%s-auth:%d" $name (int (index $root.Values.services "auth").ports.http)) -}}
{{- $_ := set $env "HTTP__ALLOWED_ORIGINS" (printf "[\"https://%s\"]" $root.Values.ingress.host) -}}
{{- $_ := set $env "HTTP__PUBLIC_HTTPS" true -}}
{{- $_ := set $env "HTTP__TRUSTED_PROXIES" (toJson $root.Values.ingress.trustedProxies) -}}
{{- $_ := set $env "REDIS__URL_FILE" "/etc/switchyard/service/redis-url" -}}
{{- $_ := set $env "CONSOLE__DIR" "/srv/console" -}}
{{- end -}}
{{- range $key, $value := $env }}
- name: {{ printf "%s__%s" $prefix $key }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- range $key, $value := $spec.env }}
- name: {{ printf "%s__%s" $prefix $key }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- end -}}
