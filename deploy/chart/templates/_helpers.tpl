{{- define "guac.name" -}}
{{- if contains "guacamole" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-guacamole" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "guac.select" -}}
app.kubernetes.io/name: guacamole
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "guac.labels" -}}
{{ include "guac.select" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | replace "+" "_" | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{- end }}

{{- /* (list $ "guac-proxy") */ -}}
{{- define "guac.image" -}}
{{- $root := index . 0 }}{{ $name := index . 1 }}{{ $i := $root.Values.image -}}
{{ $i.registry }}/{{ $name }}{{ with index $i.digests $name }}@{{ . }}{{ else }}:{{ $i.tag | default $root.Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "guac.keys" -}}{{ .Values.keys.secret | default (printf "%s-keys" (include "guac.name" .)) }}{{- end }}
{{- define "guac.client" -}}{{ .Values.keycloak.secret | default (printf "%s-client" (include "guac.name" .)) }}{{- end }}
{{- define "guac.buckets" -}}{{ prepend .Values.store.buckets .Values.store.bucket | uniq | join " " }}{{- end }}
{{- define "guac.holder" -}}{{ .Values.store.holder }}{{- end }}

{{- /* port of a URL */ -}}
{{- define "guac.port" -}}
{{- $u := urlParse . }}{{ $p := regexFind ":[0-9]+$" $u.host | trimPrefix ":" }}{{ $p | default (ternary "443" "80" (eq $u.scheme "https")) }}
{{- end }}

{{- /* key = value lines, of a dict; lists by blanks */ -}}
{{- define "guac.conf" -}}
{{- range $k, $v := . }}
{{ $k }} = {{ if kindIs "slice" $v }}{{ join " " $v }}{{ else if kindIs "bool" $v }}{{ ternary "yes" "no" $v }}{{ else if kindIs "float64" $v }}{{ int64 $v }}{{ else }}{{ $v }}{{ end }}
{{- end }}
{{- end }}

{{- /* of a container; the pod says the same, where it can */ -}}
{{- define "guac.confined" -}}
runAsUser: {{ . }}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsGroup: 64000
capabilities: { drop: [ALL] }
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- /* (list $ name image uid arguments): the head of one of the four that live beside guacd */ -}}
{{- define "guac.container" -}}
{{- $root := index . 0 }}{{ $name := index . 1 -}}
- name: {{ $name }}
  image: {{ include "guac.image" (list $root (index . 2)) }}
  imagePullPolicy: {{ $root.Values.image.pullPolicy }}
  restartPolicy: Always
  args: {{ toJson (concat (index . 4) (list "--config" (printf "/etc/guac/conf/%s.conf" $name))) }}
  securityContext: {{- include "guac.confined" (index . 3) | nindent 4 }}
  resources: {{- toYaml (index $root.Values.resources $name) | nindent 4 }}
{{- end }}

{{- define "guac.mounts" -}}
- { name: run, mountPath: /run/guac }
- { name: conf-{{ . }}, mountPath: /etc/guac/conf, readOnly: true }
{{- end }}

{{- /* What a schema cannot say in words that help. All of it at once. */ -}}
{{- define "guac.check" -}}
{{- $v := .Values }}{{ $wrong := list -}}
{{- if not $v.publicUrl }}{{ $wrong = append $wrong "publicUrl is not set: the URL people open, such as https://access.example" }}{{ end -}}
{{- if not $v.keycloak.issuer }}{{ $wrong = append $wrong "keycloak.issuer is not set: the realm's URL, such as https://keycloak.example/realms/catalyst" }}
{{- else if and (not $v.keycloak.insecureHttp) (not (hasPrefix "https://" $v.keycloak.issuer)) }}{{ $wrong = append $wrong (printf "keycloak.issuer is %s: http lets anybody in between sign in as anybody; use https, or for a trial keycloak.insecureHttp=true" $v.keycloak.issuer) }}{{ end -}}
{{- if and $v.keycloak.issuer (not (contains "/realms/" $v.keycloak.issuer)) }}{{ $wrong = append $wrong (printf "keycloak.issuer is %s: it has to end in /realms/NAME" $v.keycloak.issuer) }}{{ end -}}
{{- if and (hasPrefix "http://" $v.publicUrl) (not $v.keycloak.insecureHttp) }}{{ $wrong = append $wrong (printf "publicUrl is %s: browsers send sign-in cookies by https only; for a trial set keycloak.insecureHttp=true" $v.publicUrl) }}{{ end -}}
{{- if and (has "*" $v.namespaces) (gt (len $v.namespaces) 1) }}{{ $wrong = append $wrong "namespaces: * is all of them, so leave the others out" }}{{ end -}}
{{- if and $v.ingress.enabled (hasPrefix "https://" $v.publicUrl) (not $v.ingress.tlsSecret) (not $v.ingress.annotations) }}{{ $wrong = append $wrong "ingress.tlsSecret is not set, but publicUrl is https: name the certificate's Secret, or annotate the ingress for who makes it" }}{{ end -}}
{{- if and $v.keycloak.admin.secret (eq $v.keycloak.admin.secret $v.keycloak.secret) }}{{ $wrong = append $wrong "keycloak.admin.secret and keycloak.secret are one Secret: the gateway must not hold Keycloak's administrator" }}{{ end -}}
{{- if and $v.store.admin (or (eq $v.store.admin $v.store.writer) (eq $v.store.admin $v.store.reader)) }}{{ $wrong = append $wrong "store.admin is also the writer or reader: who writes evidence must not be able to change its bucket" }}{{ end -}}
{{- $o := $v.opensearch -}}
{{- if and (not $o.url) (or $o.secret $o.ca.configMap) }}{{ $wrong = append $wrong "opensearch.url is not set, but its secret or ca is: the index's URL, such as https://opensearch.search.svc:9200/guacamole-audit" }}{{ end -}}
{{- if and (hasPrefix "http://" $o.url) (not $o.insecureHttp) }}{{ $wrong = append $wrong (printf "opensearch.url is %s: http shows audit events and the account's password to everybody in between; use https, or for a trial opensearch.insecureHttp=true" $o.url) }}{{ end -}}
{{- if eq $v.store.writer $v.store.reader }}{{ $wrong = append $wrong "store.writer and store.reader are one Secret: who reads recordings must not be able to write them" }}{{ end -}}
{{- if $wrong }}{{ fail (printf "\n  - %s\n" (join "\n  - " $wrong)) }}{{ end -}}
{{- end }}
