{{/* The name of everything. */}}
{{- define "storefront.fullname" -}}
{{- printf "%s" .Release.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "storefront.labels" -}}
{{ include "common.labels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- define "storefront.volumes" }}
      volumes:
        - name: tmp
          emptyDir: {}
{{- end }}
