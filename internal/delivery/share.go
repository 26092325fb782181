package delivery

// maxInflight is how many attempts may be under way at once before endpoints have
// to share what there is.
const maxInflight = 4096

// share divides the attempts that may be under way at once. Up to a bound there
// is nothing to divide: each endpoint has its own concurrency. Beyond it an account
// may begin what an equal share among those that send leaves it, and an endpoint of
// which nothing is under way may always begin one, so that receivers that answer
// slowly, however many they are, delay no other.
type share struct {
	most, all int
	accounts  map[int64]int
	// waiting are endpoints that found no room, in their order.
	waiting []*endpoint
	waits   map[*endpoint]bool
}

func newShare(most int) share {
	return share{most: most, accounts: map[int64]int{}, waits: map[*endpoint]bool{}}
}

// admits reports whether an endpoint may begin an attempt. Else it is woken when
// there may be room.
func (s *share) admits(ep *endpoint) bool {
	base := ep.base()
	used := s.accounts[base.row.Account]
	if s.all < s.most || base.sending() == 0 || used < s.most/max(1, len(s.accounts)) {
		return true
	}
	if !s.waits[base] {
		s.waits[base] = true
		s.waiting = append(s.waiting, base)
	}
	return false
}

// sending is how many attempts of the endpoint and its replays are under way.
func (ep *endpoint) sending() int {
	n := ep.inflight
	for _, rp := range ep.replays {
		n += rp.inflight
	}
	return n
}

func (s *share) begin(account int64) {
	s.all++
	s.accounts[account]++
}

// end takes in that an attempt has ended, and wakes those that waited for that,
// as many as there is room for, in their order.
func (s *share) end(e *Engine, account int64) {
	s.all--
	if s.accounts[account]--; s.accounts[account] == 0 {
		delete(s.accounts, account)
	}
	for room := s.most - s.all; room > 0 && len(s.waiting) > 0; room-- {
		next := s.waiting[0]
		s.waiting = s.waiting[1:]
		delete(s.waits, next)
		if !next.gone {
			e.touch(next)
		}
	}
}
