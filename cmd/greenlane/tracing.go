package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"greenlane/internal/delivery"
)

// tracing exports a span for each attempt.
type tracing struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	log      *slog.Logger
}

// traced reports whether spans are wanted: by the flag, or by the variables of
// OpenTelemetry's own specification (OTLP exporter, SDK configuration).
func (c *serveCmd) traced() bool {
	return !strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") &&
		(c.OTLPEndpoint != "" || os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "")
}

// newTracing makes the exporter. What else there is to set, such as headers, the
// share of attempts that is traced and the size of batches, has OpenTelemetry's own
// variables.
func newTracing(ctx context.Context, endpoint string, log *slog.Logger) (*tracing, error) {
	var options []otlptracehttp.Option
	if endpoint != "" {
		u, err := url.Parse(endpoint)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, usageError{fmt.Errorf("--otlp-endpoint: %q is no URL of a collector, such as http://localhost:4318", endpoint)}
		}
		// As with OTEL_EXPORTER_OTLP_ENDPOINT, it is the base of all signals.
		options = append(options, otlptracehttp.WithEndpointURL(u.JoinPath("v1", "traces").String()))
	}
	exporter, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("prepare the export of spans: %w", err)
	}
	res, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "greenlane"), attribute.String("service.version", version)),
		resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, usageError{fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)}
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(&toldExporter{exporter, log}), sdktrace.WithResource(res))
	return &tracing{provider, provider.Tracer("greenlane/internal/delivery", trace.WithInstrumentationVersion(version)), log}, nil
}

// toldExporter tells the hub's own log of what could not be exported, where the SDK
// would write to standard error in a form of its own.
type toldExporter struct {
	sdktrace.SpanExporter
	log *slog.Logger
}

// ExportSpans implements [sdktrace.SpanExporter].
func (e *toldExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if err := e.SpanExporter.ExportSpans(ctx, spans); err != nil {
		e.log.Warn("spans could not be exported", "spans", len(spans), "error", err)
	}
	return nil
}

// tracingLimit is how long spans may take to be exported when the hub stops.
const tracingLimit = 5 * time.Second

// close exports what is left, within a limit. A collector that is away is no
// failure of the hub.
func (t *tracing) close(limit time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		t.log.Warn("the last spans could not be exported", "error", err)
	}
}

// attempt begins a span and lets the receiver go on with it, unless the endpoint's
// owner sends a traceparent of their own. It implements [delivery.Tracer]. Names are
// those of OpenTelemetry's semantic conventions for HTTP clients and CloudEvents; of
// the URL only the host is told, because paths and queries of webhooks are often
// secrets.
func (t *tracing) attempt(c *delivery.Call, header http.Header) func(*delivery.Answer) {
	e, in := c.Sending.Event, c.Sending
	attributes := []attribute.KeyValue{
		attribute.String("http.request.method", http.MethodPost), attribute.Int("http.request.body.size", len(c.Body)),
		attribute.String("cloudevents.event_id", e.EventID()), attribute.String("cloudevents.event_type", string(e.Type)),
		attribute.String("cloudevents.event_subject", e.Subject.String()), attribute.String("cloudevents.event_source", "/accounts/"+in.Account.Domain),
		attribute.Int64("greenlane.position", e.Position), attribute.Int("greenlane.attempt", in.Attempt),
	}
	if in.Attempt > 1 {
		attributes = append(attributes, attribute.Int("http.request.resend_count", in.Attempt-1))
	}
	if u, err := url.Parse(c.URL); err == nil {
		attributes = append(attributes, attribute.String("server.address", u.Hostname()), attribute.Int("server.port", portOf(u)), attribute.String("url.scheme", u.Scheme))
	}
	ctx, span := t.tracer.Start(context.Background(), http.MethodPost, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))
	if _, own := header["Traceparent"]; !own {
		propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(header))
	}
	return func(a *delivery.Answer) {
		span.SetAttributes(answerAttributes(a)...)
		if !a.Success() {
			span.SetStatus(codes.Error, a.Error)
		}
		span.End()
	}
}

// answerAttributes say how an attempt ended and how it got there.
func answerAttributes(a *delivery.Answer) []attribute.KeyValue {
	var list []attribute.KeyValue
	if host, port, err := net.SplitHostPort(a.Wire.Remote); err == nil {
		n, _ := strconv.Atoi(port)
		list = append(list, attribute.String("network.peer.address", host), attribute.Int("network.peer.port", n))
	}
	if number, ok := strings.CutPrefix(a.Wire.Protocol, "HTTP/"); ok {
		list = append(list, attribute.String("network.protocol.name", "http"), attribute.String("network.protocol.version", strings.TrimSuffix(number, ".0")))
	}
	if number, ok := strings.CutPrefix(a.Wire.TLS, "TLS "); ok {
		list = append(list, attribute.String("tls.protocol.name", "tls"), attribute.String("tls.protocol.version", number))
	}
	if a.Status != 0 {
		list = append(list, attribute.Int("http.response.status_code", a.Status))
	}
	switch {
	case a.Success():
	case a.Status != 0:
		list = append(list, attribute.String("error.type", strconv.Itoa(a.Status)))
	default:
		list = append(list, attribute.String("error.type", a.Outcome.String()))
	}
	return append(list, attribute.String("greenlane.outcome", a.Outcome.String()), attribute.Bool("greenlane.connection.reused", a.Wire.Reused))
}

// portOf returns the port of a URL, its scheme's where it names none.
func portOf(u *url.URL) int {
	switch n, err := strconv.Atoi(u.Port()); {
	case err == nil:
		return n
	case u.Scheme == "http":
		return 80
	}
	return 443
}
