package delivery

import (
	"math"
	"strconv"
	"time"
)

// A histogram's buckets grow by the same factor, so that the value that stands for
// a bucket is off by at most 5 % of any in it, however small or large (Masson, Rim
// and Lee: DDSketch, PVLDB 12 (12), 2019: with a growth of (1+α)/(1−α) and the
// value 2γⁱ/(γ+1) the relative error is at most α). Counts of several add up.
const (
	precision = 0.05
	growth    = (1 + precision) / (1 - precision)
	// buckets reach from a microsecond to more than two years.
	buckets = 320
)

// histogram counts durations by size.
type histogram [buckets]int64

// bucketOf returns the bucket of a duration: bucket i is beyond growth to the
// power of i−1 microseconds, up to that of i.
func bucketOf(d time.Duration) int {
	us := float64(d) / float64(time.Microsecond)
	if us <= 1 {
		return 0
	}
	return min(int(math.Ceil(math.Log(us)/math.Log(growth))), buckets-1)
}

// middle is the duration that stands for a bucket's.
func middle(bucket int) time.Duration {
	return time.Duration(2 * math.Pow(growth, float64(bucket)) / (growth + 1) * float64(time.Microsecond))
}

func (h *histogram) add(d time.Duration) { h[bucketOf(d)]++ }

// plus adds another's counts.
func (h *histogram) plus(other *histogram) {
	for i, n := range other {
		h[i] += n
	}
}

func (h *histogram) count() (n int64) {
	for _, in := range h {
		n += in
	}
	return n
}

// quantile returns the duration that a share of those counted don't exceed, zero
// when there are none.
func (h *histogram) quantile(share float64) time.Duration {
	rank := max(1, int64(math.Ceil(share*float64(h.count()))))
	var n int64
	for i, in := range h {
		if n += in; n >= rank {
			return middle(i)
		}
	}
	return 0
}

// within returns how many don't exceed a limit.
func (h *histogram) within(limit time.Duration) (n int64) {
	for i, in := range h {
		if in > 0 && middle(i) <= limit {
			n += in
		}
	}
	return n
}

// append writes the buckets that are not empty as a JSON object.
func (h *histogram) append(out []byte) []byte {
	out = append(out, '{')
	for i, n := range h {
		if n == 0 {
			continue
		}
		if out[len(out)-1] != '{' {
			out = append(out, ',')
		}
		out = append(out, '"')
		out = strconv.AppendInt(out, int64(i), 10)
		out = append(out, '"', ':')
		out = strconv.AppendInt(out, n, 10)
	}
	return append(out, '}')
}

// fill takes in what append wrote. Buckets there are not are counted at the end.
func (h *histogram) fill(kept map[int]int64) {
	for i, n := range kept {
		h[max(0, min(i, buckets-1))] += n
	}
}
