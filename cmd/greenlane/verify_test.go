package main

import "testing"

// verifies holds that greenlane verify finds nothing wrong with what the flags name.
func verifies(t testing.TB, flags ...string) {
	t.Helper()
	if out, errs, code := command(t, append([]string{"verify"}, flags...)...); code != exitOK {
		t.Errorf("verify exits %d:\n%s%s", code, out, errs)
	}
}

// TestVerifyBusy verifies a hub that writes and delivers meanwhile: what moves
// is no difference.
func TestVerifyBusy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startHub(t, dir, "--log-level", "error")
	receiver := newWitness(t, 0.05)
	p.must("POST", "/v1/webhooks", map[string]any{"url": receiver.URL, "retrySchedule": []string{"50ms", "1s", "5s"}}, nil)
	load := &writers{}
	stop := make(chan struct{})
	writing := load.run(p, stop)
	awaitDeliveries(t, receiver, 500)
	for range 3 {
		verifies(t, "--data", dir)
	}
	close(stop)
	writing.Wait()
	load.judge(t, p.wholeLog())
	p.stop()
}
