package api

import (
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"greenlane"
	"greenlane/internal/delivery"
)

// asyncAPI describes what the hub sends: one message for each type of event, in
// each of the forms an endpoint can have.
func (a *API) asyncAPI() jsontext.Value {
	var messages, refs []member
	for _, info := range greenlane.EventTypes() {
		id := strings.NewReplacer(".", "_").Replace(string(info.Type))
		messages = append(messages, member{id, ordered([]member{
			{"name", string(info.Type)}, {"title", string(info.Type)}, {"summary", info.Summary}, {"contentType", "application/json"},
			{"headers", ref("schemas", "webhookHeaders")},
			{"payload", payloadSchema(info)},
			{"examples", []jsontext.Value{ordered([]member{{"name", "example"}, {"payload", examplePayload(info)}})}},
		})})
		refs = append(refs, member{id, ref("messages", id)})
	}
	doc := ordered([]member{
		{"asyncapi", "3.0.0"},
		{"info", ordered([]member{{"title", "Greenlane webhooks"}, {"version", a.version}, {"description",
			"What the hub sends to endpoints. Payloads are shown in format auto: each event in the form of the system it comes from. Any event can be had in any format."}})},
		{"defaultContentType", "application/json"},
		{"channels", ordered([]member{{"webhook", ordered([]member{
			{"address", "{endpoint}"}, {"description", "An endpoint's URL."}, {"messages", ordered(refs)},
			{"parameters", ordered([]member{{"endpoint", ordered([]member{{"description", "The URL the endpoint was created with."}})}})},
		})}})},
		{"operations", ordered([]member{{"deliver", ordered([]member{
			{"action", "send"}, {"channel", ordered([]member{{"$ref", "#/channels/webhook"}})},
			{"summary", "Delivered at least once, in order per subject, retried until acknowledged with any 2xx."},
		})}})},
		{"components", ordered([]member{{"messages", ordered(messages)}, {"schemas", ordered([]member{{"webhookHeaders", webhookHeaders()}})}})},
	})
	return doc
}

func ref(section, name string) jsontext.Value {
	return ordered([]member{{"$ref", "#/components/" + section + "/" + name}})
}

// examplePayload is what an endpoint of format auto gets for the example of an
// event type, on its first try.
func examplePayload(info greenlane.EventTypeInfo) jsontext.Value {
	at := time.Date(2026, time.June, 23, 12, 0, 0, 0, time.UTC)
	e := &greenlane.Event{
		ID: greenlane.NewID(at, 1024, 0), Position: 1024, Type: info.Type, Subject: greenlane.Subject{Kind: info.Subject, Number: 15},
		Version: 1, OccurredAt: at, RecordedAt: at, Source: greenlane.Source{Client: "erp", Origin: greenlane.OriginMerchant}, Body: info.Example,
	}
	if info.Seed == greenlane.SeedEntryGo {
		e.References = []greenlane.Reference{greenlane.Ref(greenlane.RefExportID, "exp_01K7XJ0000000000000000000A")}
	}
	must(e.Encode())
	sending := delivery.Sending{
		Event: e, Account: &greenlane.Account{Domain: "example.com", Region: "US"}, Format: delivery.FormatAuto, Attempt: 1, Left: 4, SentAt: at,
	}
	body, _ := sending.Render()
	return body
}

// payloadSchema describes the body in format auto: the event's data in the
// envelope of its seed.
func payloadSchema(info greenlane.EventTypeInfo) jsontext.Value {
	data := dataSchema(info)
	text, whole := ordered([]member{{"type", "string"}}), ordered([]member{{"type", "integer"}})
	name := ordered([]member{{"type", "string"}, {"const", info.Type}})
	moment := ordered([]member{{"type", "string"}, {"format", "date-time"}})
	switch info.Seed {
	case greenlane.SeedEntryGo:
		source := closed([]member{{"client", text}, {"origin", text}})
		export := ordered([]member{{"type", []string{"string", "null"}}})
		return closed([]member{{"eventId", text}, {"type", name}, {"exportId", export}, {"occurredAt", moment}, {"source", source}, {"data", data}})
	case greenlane.SeedOpenTrack:
		return closed([]member{{"event", name}, {"data", data}, {"deliveryAttempt", whole}, {"pendingRetries", whole}, {"sentAt", moment}})
	case greenlane.SeedEaze:
		return closed([]member{{"event", name}, {"payload", data}})
	}
	encoded, err := json.Marshal(canonicalSchema(), json.Deterministic(true))
	must(err)
	var canonical map[string]any
	must(json.Unmarshal(encoded, &canonical))
	properties := canonical["properties"].(map[string]any)
	properties["type"], properties["data"] = name, data
	encoded, err = json.Marshal(canonical, json.Deterministic(true))
	must(err)
	return encoded
}

// closed describes an object that has these members and no others.
func closed(fields []member) jsontext.Value {
	required := make([]string, len(fields))
	for i, f := range fields {
		required[i] = f.name
	}
	return ordered([]member{{"type", "object"}, {"properties", ordered(fields)}, {"required", required}, {"additionalProperties", false}})
}

// webhookHeaderTexts are the headers of a webhook, with what they say.
var webhookHeaderTexts = [][2]string{
	{"webhook-id", "The event's id, the same on every try: the receiver's key to recognise repeats."},
	{"webhook-timestamp", "Unix seconds of this try."},
	{"webhook-signature", "v1, and base 64 of HMAC-SHA256 over id.timestamp.body (Standard Webhooks); two values while a secret is rotated. Of an endpoint with an asymmetric key also v1a, and base 64 of the Ed25519 signature over the same."},
	{"Greenlane-Event-Type", "The event's type."},
	{"Greenlane-Position", "The event's position in the log."},
	{"Greenlane-Subject", "The subject: kind/number."},
	{"Greenlane-Subject-Version", "The event's number within its subject."},
	{"Greenlane-Attempt", "The number of this try, from 1."},
	{"Greenlane-Replay", "Present on what is sent again by hand."},
	{"X-OpenTrack-Signature", "Format opentrack: hexadecimal HMAC-SHA256 of the body."},
	{"Eaze-Signature", "Format eaze: the endpoint's key itself."},
}

func webhookHeaders() jsontext.Value {
	var fields []member
	for _, h := range webhookHeaderTexts {
		fields = append(fields, member{h[0], ordered([]member{{"type", "string"}, {"description", h[1]}})})
	}
	return ordered([]member{{"type", "object"}, {"properties", ordered(fields)}})
}
