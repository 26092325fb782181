package filter

import (
	"sync"
	"testing"
)

// TestTogether: the first mistake is no danger to who compiles at the same time.
// The race detector judges.
func TestTogether(t *testing.T) {
	t.Parallel()
	env, err := newLanguage()
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, text := range []string{"nothing.here == 1", "event.data.parties.exists(p, p.name == 'x')"} {
		wg.Go(func() { env.Compile(text) })
	}
	wg.Wait()
}
