package storetest

import (
	"crypto/sha256"
	"testing"

	"greenlane"
	"greenlane/internal/store"
)

var blobTests = map[string]func(*testing.T, *world){
	"insert and read": testBlobs,
	"repeated":        testBlobRepeated,
	"refused":         testBlobRefused,
}

func (w *world) commitBlobs(list ...*store.Blob) {
	w.t.Helper()
	d := w.draft()
	d.Blobs = list
	w.commit(d)
}

// wantBlob compares what an account keeps under a digest; nil means that it has
// none.
func (w *world) wantBlob(account int64, digest [32]byte, want []byte) {
	w.t.Helper()
	got, err := w.Blob(w.t.Context(), account, digest)
	noError(w.t, err)
	same(w.t, "blob", want, got)
}

func testBlobs(t *testing.T, w *world) {
	large := &store.Blob{Account: 1, Bytes: make([]byte, 5<<20)}
	for i := range large.Bytes {
		large.Bytes[i] = byte(i * 7)
	}
	large.Digest = sha256.Sum256(large.Bytes)
	empty := &store.Blob{Account: 1, Digest: sha256.Sum256(nil), Bytes: []byte{}}
	list := []*store.Blob{newBlob(1, 1), large, empty, newBlob(2, 2)}
	w.commitBlobs(list...)
	for range 2 {
		for _, b := range list {
			w.wantBlob(b.Account, b.Digest, kept(b.Bytes))
			w.wantBlob(3-b.Account, b.Digest, nil)
		}
		w.wantBlob(1, newBlob(1, 3).Digest, nil)
		w.reopen()
	}
	// The same bytes in another account are that account's own.
	w.commitBlobs(newBlob(2, 1))
	w.wantBlob(2, list[0].Digest, list[0].Bytes)
	w.wantBlob(3, list[0].Digest, nil)
}

// testBlobRepeated: what is there stays, within one write and across writes,
// whatever comes under its digest.
func testBlobRepeated(t *testing.T, w *world) {
	b := newBlob(1, 1)
	other := &store.Blob{Account: 1, Digest: b.Digest, Bytes: []byte("not what the digest says")}
	w.commitBlobs(b, newBlob(1, 1), other)
	w.wantBlob(1, b.Digest, b.Bytes)
	w.commitBlobs(other, newBlob(1, 2), b)
	for range 2 {
		w.wantBlob(1, b.Digest, b.Bytes)
		w.wantBlob(1, newBlob(1, 2).Digest, newBlob(1, 2).Bytes)
		w.reopen()
	}
}

// testBlobRefused: a refused write leaves no blob, and the same write brings it
// once it is accepted.
func testBlobRefused(t *testing.T, w *world) {
	w.commitMessages(newMessage(1, 1, 1, w.now))
	d := w.draft()
	d.event(subject(1))
	d.Blobs = []*store.Blob{newBlob(1, 1)}
	d.row(subject(1)).Was = 5
	w.refuse(d, store.ErrMoved)
	d.row(subject(1)).Was = 0
	d.Messages = []*greenlane.Message{newMessage(1, 2, 1, w.now)}
	w.refuse(d, store.ErrDuplicate)
	w.wantBlob(1, newBlob(1, 1).Digest, nil)
	d.Messages = nil
	w.commit(d)
	w.wantBlob(1, newBlob(1, 1).Digest, newBlob(1, 1).Bytes)
}
