package hub

import (
	"testing"

	"greenlane"
	"greenlane/internal/store"
)

// blobUnit is a unit of nothing but a blob.
func blobUnit(bytes []byte) *job {
	return &job{unit: Unit{Account: 1, Rows: Rows{Blobs: []*store.Blob{{Account: 1, Bytes: bytes}}}}}
}

// TestBlobsFillBatches: units with large blobs share no batch beyond what one
// may hold.
func TestBlobsFillBatches(t *testing.T) {
	t.Parallel()
	var q queue
	for range 5 {
		if err := q.put(blobUnit(make([]byte, maxBatchBytes/2))); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []int{2, 2, 1, 0} {
		if n := len(q.drain()); n != want {
			t.Errorf("a batch has %d units, want %d", n, want)
		}
	}
	if q.bytes != 0 {
		t.Errorf("an empty queue counts %d bytes", q.bytes)
	}
}

// TestBlobsFillTheQueue: blobs that wait take memory, which has an end.
func TestBlobsFillTheQueue(t *testing.T) {
	t.Parallel()
	var q queue
	shared := make([]byte, 16<<20)
	for range maxQueueBytes / len(shared) {
		if err := q.put(blobUnit(shared)); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.put(blobUnit(shared)); greenlane.CodeOf(err) != "overloaded" {
		t.Errorf("one more blob: %v", err)
	}
	if n := len(q.drain()); n != 1 {
		t.Errorf("%d units of 16 MiB share a batch", n)
	}
	if err := q.put(blobUnit(shared)); err != nil {
		t.Errorf("after a batch was taken: %v", err)
	}
}
