package delivery

import (
	"encoding/json"

	"greenlane/internal/store"
)

// confidential is the part of settings that nobody may read: values of headers
// are passwords and tokens more often than not.
type confidential struct {
	Headers map[string]string `json:"headers,omitzero"`
}

// fill puts the settings into a revision, what is confidential apart.
func (s Settings) fill(r *store.Revision) error {
	if len(s.Headers) > 0 {
		var err error
		if r.Confidential, err = json.Marshal(confidential{s.Headers}); err != nil {
			return err
		}
	}
	s.Headers = nil
	var err error
	r.Settings, err = json.Marshal(s)
	return err
}

// ReadSettings returns the settings that a revision holds.
func ReadSettings(r *store.Revision) (*Settings, error) {
	s := &Settings{}
	if err := json.Unmarshal(r.Settings, s); err != nil {
		return s, err
	}
	if len(r.Confidential) == 0 {
		return s, nil
	}
	var c confidential
	if err := json.Unmarshal(r.Confidential, &c); err != nil {
		return s, err
	}
	s.Headers = c.Headers
	return s, nil
}
