package api

import (
	"errors"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"greenlane/internal/delivery"
)

// MaintenanceWindows are times of the week: one, or a list.
type MaintenanceWindows []delivery.Window

// UnmarshalJSON reads either; null is none.
func (w *MaintenanceWindows) UnmarshalJSON(b []byte) error {
	*w = nil
	var err error
	switch jsontext.Value(b).Kind() {
	case 'n':
		return nil
	case '{':
		*w = make(MaintenanceWindows, 1)
		err = json.Unmarshal(b, &(*w)[0], json.RejectUnknownMembers(true))
	case '[':
		err = json.Unmarshal(b, (*[]delivery.Window)(w), json.RejectUnknownMembers(true))
	default:
		return errors.New("must be {days, from, to, timezone}, or a list of up to 10 of them")
	}
	if err != nil {
		return err
	}
	// Held against the schema, what is wrong in one of two forms is told in no words.
	return delivery.CheckWindows(*w)
}

// Schema describes one window or a list of them.
func (MaintenanceWindows) Schema(huma.Registry) *huma.Schema {
	text := func(example, doc string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, Description: doc, Examples: []any{example}}
	}
	day := &huma.Schema{Type: huma.TypeString, Enum: []any{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}}
	one := &huma.Schema{Type: huma.TypeObject, AdditionalProperties: false, Required: []string{"from", "to"}, Properties: map[string]*huma.Schema{
		"days":     {Type: huma.TypeArray, Items: day, Description: "On which it begins; every day when left out."},
		"from":     text("22:00", "A time of the day."),
		"to":       text("06:00", "A time of the day, of the next one where it is not after from; 24:00 is the day's end."),
		"timezone": text("Europe/Amsterdam", "By whose clocks; UTC when left out."),
	}}
	most := 10
	return &huma.Schema{OneOf: []*huma.Schema{one, {Type: huma.TypeArray, Items: one, MaxItems: &most}}}
}

// PaceView is how fast and when an endpoint is sent to.
type PaceView struct {
	RateLimit         *float64           `json:"rateLimit" doc:"Requests per second; null: no limit."`
	MaintenanceWindow MaintenanceWindows `json:"maintenanceWindow" doc:"When nothing is sent but urgentTypes and what comes before them in their lanes."`
	UrgentTypes       []string           `json:"urgentTypes"`
}

func paceView(s *delivery.Settings) PaceView {
	v := PaceView{MaintenanceWindow: MaintenanceWindows{}, UrgentTypes: []string{}}
	if s.RateLimit != 0 {
		v.RateLimit = &s.RateLimit
	}
	v.MaintenanceWindow = append(v.MaintenanceWindow, s.Maintenance...)
	v.UrgentTypes = append(v.UrgentTypes, s.UrgentTypes...)
	return v
}
