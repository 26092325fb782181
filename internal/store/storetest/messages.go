package storetest

import (
	"fmt"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

var messageTests = map[string]func(*testing.T, *world){
	"insert and read": testMessages,
	"update":          testMessageUpdate,
	"digest":          testMessageDigest,
	"list":            testListMessages,
	"waiting":         testWaiting,
}

var answerTests = map[string]func(*testing.T, *world){
	"keep":      testAnswers,
	"duplicate": testDuplicateAnswer,
	"forget":    testForgetAnswers,
}

func (w *world) commitMessages(list ...*greenlane.Message) {
	w.t.Helper()
	d := w.draft()
	d.Messages = list
	w.commit(d)
}

func testMessages(t *testing.T, w *world) {
	odd := newMessage(1, 2, 2, w.now)
	odd.State, odd.Problem, odd.Results = greenlane.MessageUnreadable, "line 3: \"'\" is\nnot a segment", nil
	odd.ReceivedAt = odd.ReceivedAt.In(time.FixedZone("there", 3600))
	empty := newMessage(2, 3, 3, w.now)
	empty.Raw, empty.Size, empty.Results = []byte{}, 0, []byte{}
	large := newMessage(1, 4, 4, w.now)
	large.Raw = make([]byte, 100_000)
	for i := range large.Raw {
		large.Raw[i] = byte(i * 7)
	}
	large.Size = len(large.Raw)
	list := []*greenlane.Message{newMessage(1, 1, 1, w.now), odd, empty, large}
	w.commitMessages(list...)
	var digests []store.AccountDigest
	for _, m := range list {
		digests = append(digests, store.AccountDigest{Account: m.Account, Digest: m.Digest})
	}
	digests = append(digests, store.AccountDigest{Account: 2, Digest: list[0].Digest}, digests[0])
	for range 2 {
		var wanted []*greenlane.Message
		for _, m := range list {
			want := *m
			want.Raw, want.Results, want.ReceivedAt = kept(m.Raw), kept(m.Results), m.ReceivedAt.UTC()
			got, err := w.Message(t.Context(), m.Account, m.Number)
			noError(t, err)
			same(t, "message", &want, got)
			wanted = append(wanted, withoutBytes(&want))
		}
		got, err := w.MessagesByDigest(t.Context(), digests)
		noError(t, err)
		same(t, "messages by digest", append(wanted, nil, wanted[0]), got)
		w.reopen()
	}
	for _, at := range [][2]int64{{2, 1}, {1, 3}, {1, 99}, {9, 1}} {
		got, err := w.Message(t.Context(), at[0], at[1])
		noError(t, err)
		same(t, "message of another account", nil, got)
	}
}

// testMessageUpdate: what came stays as it came.
func testMessageUpdate(t *testing.T, w *world) {
	first := newMessage(1, 1, 1, w.now)
	first.State, first.Problem = greenlane.MessageUnmatched, "no declaration has this MRN"
	w.commitMessages(first)
	for _, results := range []string{`[{"outcome":"applied"}]`, ""} {
		update := newMessage(1, 1, 1, w.now.Add(time.Hour))
		update.State, update.Problem, update.Results = greenlane.MessageApplied, "", []byte(results)
		update.Raw, update.Size, update.Format = nil, 0, "another"
		update.Source = greenlane.Source{Client: "another", Origin: greenlane.OriginOperator}
		w.commitMessages(update)
		want := *first
		want.Format, want.State, want.Problem, want.Results = update.Format, update.State, "", kept(update.Results)
		got, err := w.Message(t.Context(), 1, 1)
		noError(t, err)
		same(t, "message after an update", &want, got)
	}
}

func testMessageDigest(t *testing.T, w *world) {
	w.commitMessages(newMessage(1, 1, 1, w.now))
	d := w.draft()
	d.Messages = []*greenlane.Message{newMessage(1, 3, 3, w.now), newMessage(1, 2, 1, w.now)}
	w.refuse(d, store.ErrDuplicate)
	d.Messages = []*greenlane.Message{newMessage(1, 4, 4, w.now), newMessage(1, 5, 4, w.now)}
	w.refuse(d, store.ErrDuplicate)
	w.commitMessages(newMessage(2, 2, 1, w.now), newMessage(1, 1, 1, w.now))
}

func testListMessages(t *testing.T, w *world) {
	states := []greenlane.MessageState{greenlane.MessageApplied, greenlane.MessageUnmatched, greenlane.MessageUnreadable}
	var all []*greenlane.Message
	for i := range int64(20) {
		m := newMessage(1+i%2, i+1, int(i), w.now)
		m.State = states[i/2%3]
		all = append(all, m)
	}
	w.commitMessages(all...)
	for _, account := range []int64{1, 2, 3} {
		for _, below := range []int64{0, 1, 2, 11, 21, 1000} {
			for _, state := range append(states, "", "unheard of") {
				for _, limit := range []int{1, 3, 100} {
					var want []*greenlane.Message
					for i := len(all) - 1; i >= 0 && len(want) < limit; i-- {
						m := all[i]
						if m.Account == account && (below == 0 || m.Number < below) && (state == "" || m.State == state) {
							want = append(want, withoutBytes(m))
						}
					}
					got, err := w.ListMessages(t.Context(), account, below, state, limit)
					noError(t, err)
					sameList(t, fmt.Sprintf("%q messages of %d below %d, at most %d", state, account, below, limit), want, got)
				}
			}
		}
	}
}

func testWaiting(t *testing.T, w *world) {
	waits := func(refs []store.AccountReference, want ...int64) {
		t.Helper()
		for range 2 {
			got, err := w.WaitingFor(t.Context(), refs)
			noError(t, err)
			sameList(t, "waiting", want, got)
			w.reopen()
		}
	}
	one := []store.AccountReference{inAccount(1, 1)}
	both := []store.AccountReference{inAccount(1, 2), inAccount(1, 1)}
	waits(both)
	d := w.draft()
	for number, n := range map[int64]int{7: 1, 5: 1, 6: 2} {
		d.Waiting = append(d.Waiting, store.WaitingReference{AccountReference: inAccount(1, n), Message: number})
	}
	d.Waiting = append(d.Waiting,
		store.WaitingReference{AccountReference: inAccount(1, 2), Message: 7},
		store.WaitingReference{AccountReference: inAccount(1, 2), Message: 7},
		store.WaitingReference{AccountReference: inAccount(2, 1), Message: 8})
	w.commit(d)
	waits(one, 5, 7)
	waits(both, 5, 6, 7)
	waits(nil)
	waits([]store.AccountReference{inAccount(2, 1)}, 8)

	// A message that arrives in the write it begins to wait in does not wait.
	d = w.draft()
	d.Waiting = []store.WaitingReference{{AccountReference: inAccount(1, 1), Message: 9}}
	d.Arrived = []int64{9, 7, 100}
	w.commit(d)
	waits(both, 5, 6)
	d = w.draft()
	d.Arrived = []int64{5, 6}
	w.commit(d)
	waits(both)
}

func testAnswers(t *testing.T, w *world) {
	odd := newAnswer(1, 2, w.now)
	odd.Status, odd.Body = 204, nil
	empty := newAnswer(1, 3, w.now)
	empty.Body = []byte{}
	bytes := newAnswer(1, 4, w.now)
	bytes.Body = []byte("\x00\xff{}\n")
	list := []*store.Answer{newAnswer(1, 1, w.now), odd, empty, bytes, newAnswer(2, 1, w.now)}
	d := w.draft()
	d.Answers = list
	w.commit(d)
	for range 2 {
		var wanted []*store.Answer
		var keys []store.AccountDigest
		for _, a := range list {
			want := *a
			want.Body = kept(a.Body)
			wanted = append(wanted, &want)
			keys = append(keys, store.AccountDigest{Account: a.Account, Digest: a.Key})
		}
		// Another account's, and one twice.
		keys = append(keys, store.AccountDigest{Account: 2, Digest: odd.Key}, keys[0])
		got, err := w.Answers(t.Context(), keys)
		noError(t, err)
		same(t, "answers", append(wanted, nil, wanted[0]), got)
		w.reopen()
	}
}

func testDuplicateAnswer(t *testing.T, w *world) {
	d := w.draft()
	d.Answers = []*store.Answer{newAnswer(1, 1, w.now)}
	w.commit(d)
	d = w.draft()
	d.Answers = []*store.Answer{newAnswer(1, 2, w.now), newAnswer(1, 1, w.now)}
	w.refuse(d, store.ErrDuplicate)
}

func testForgetAnswers(t *testing.T, w *world) {
	d := w.draft()
	const many = 2500
	for i := range many {
		a := newAnswer(1+int64(i%2), i, w.now)
		a.StoredAt = w.now.Add(time.Duration(i) * time.Minute)
		d.Answers = append(d.Answers, a)
	}
	w.commit(d)
	forget := func(until, want int) {
		t.Helper()
		n, err := w.ForgetAnswers(t.Context(), w.now.Add(time.Duration(until)*time.Minute))
		noError(t, err)
		same(t, "number of answers forgotten", want, n)
	}
	forget(0, 0)
	forget(1, 1)
	forget(2300, 2299)
	w.reopen()
	for _, i := range []int{0, 1, 2299, 2300, many - 1} {
		a, err := store.Sole(w.Answers(t.Context(), []store.AccountDigest{{Account: 1 + int64(i%2), Digest: digest("answer", i)}}))
		noError(t, err)
		if (a != nil) != (i >= 2300) {
			t.Errorf("answer %d is %v", i, a)
		}
	}
	// A key that was forgotten may be used again.
	d = w.draft()
	d.Answers = []*store.Answer{newAnswer(1, 0, w.now)}
	w.commit(d)
	forget(many, 201)
}
