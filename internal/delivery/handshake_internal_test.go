package delivery

import "testing"

// TestGrantedRate holds that the lower of the owner's rate and the receiver's
// counts.
func TestGrantedRate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		own     float64
		granted *Grant
		want    float64
	}{
		{0, nil, 0}, {5, nil, 5}, {0, &Grant{}, 0}, {5, &Grant{}, 5}, {0, &Grant{PerMinute: 90}, 1.5},
		{5, &Grant{PerMinute: 90}, 1.5}, {1, &Grant{PerMinute: 90}, 1},
	} {
		s := Settings{RateLimit: tt.own, Granted: tt.granted}
		if got := s.rate(); got != tt.want {
			t.Errorf("%v and %+v: %v, want %v", tt.own, tt.granted, got, tt.want)
		}
	}
}
