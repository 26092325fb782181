package backend

import (
	"encoding/binary"
	"fmt"

	"github.com/klauspost/compress/s2"

	"greenlane/internal/store"
)

// The packings of an answer. A number that rows were written with is never given
// another meaning: a better dictionary is another number.
const (
	// packingNone leaves headers and body as they came.
	packingNone = 0
	// packingS2 is how long the headers are, as a varint, and one S2 block of
	// headers and body with the first dictionary.
	packingS2 = 1
)

// leastPacked is the shortest answer that packing is tried on, in bytes. The
// header that nearly all have alone is longer.
const leastPacked = 24

// Packer makes answers small. They are short and much alike, which is what a
// dictionary is for. S2 takes about a tenth of the time of DEFLATE with the same
// dictionary, and makes them nearly as small (BenchmarkPack): an answer is packed
// on the commit path, thousands of times a second. The format is Snappy's,
// extended: see the documentation of github.com/klauspost/compress/s2. A Packer may
// be used from any goroutine.
type Packer struct{ first *s2.Dict }

// NewPacker returns one that knows every packing.
func NewPacker() *Packer { return &Packer{first: s2.MakeDictManual([]byte(answers1), 0)} }

// Packed is an answer as it lies in a row.
type Packed struct {
	Packing       int64
	Headers, Body []byte
}

// Pack packs an answer, unless that does not make it smaller.
func (p *Packer) Pack(headers, body []byte) Packed {
	plain := Packed{packingNone, headers, body}
	size := len(headers) + len(body)
	if size < leastPacked {
		return plain
	}
	both := make([]byte, 0, size)
	both = append(append(both, headers...), body...)
	out := make([]byte, binary.MaxVarintLen32+s2.MaxEncodedLen(size))
	n := binary.PutUvarint(out, uint64(len(headers)))
	block := p.first.Encode(out[n:], both)
	if n+len(block) >= size {
		return plain
	}
	return Packed{Packing: packingS2, Headers: out[:n+len(block)]}
}

// Unpack returns an answer as it came.
func (p *Packer) Unpack(a Packed) (headers, body []byte, err error) {
	switch a.Packing {
	case packingNone:
		return a.Headers, a.Body, nil
	case packingS2:
	default:
		return nil, nil, fmt.Errorf("%w: an attempt's answer has the packing %d", store.ErrBroken, a.Packing)
	}
	length, n := binary.Uvarint(a.Headers)
	if n <= 0 {
		return nil, nil, fmt.Errorf("%w: an attempt's answer has no length of its headers", store.ErrBroken)
	}
	both, err := p.first.Decode(nil, a.Headers[n:])
	if err != nil {
		return nil, nil, fmt.Errorf("%w: an attempt's answer can't be unpacked: %w", store.ErrBroken, err)
	}
	if length > uint64(len(both)) {
		return nil, nil, fmt.Errorf("%w: an attempt's answer is shorter than its headers", store.ErrBroken)
	}
	return Present(both[:length:length]), Present(both[length:]), nil
}

// answers1 is the dictionary of packingS2: what answers of HTTP servers are made
// of, the headers as the delivery package writes them. It never changes, or no
// row could be read.
const answers1 = `Access-Control-Allow-Credentials: true
Access-Control-Allow-Origin: *
Age: 0
Allow: GET, HEAD, OPTIONS, POST, PUT
Alt-Svc: h3=":443"; ma=86400
Cache-Control: max-age=0, private, must-revalidate
Cache-Control: no-cache, no-store, must-revalidate
Cf-Cache-Status: DYNAMIC
Cf-Ray: -AMS
Content-Encoding: gzip
Content-Language: en
Content-Security-Policy: default-src 'self'; frame-ancestors 'none'
Etag: W/"
Expires: Thu, 01 Jan 1970 00:00:00 GMT
Last-Modified: GMT
Location: https://www.
Nel: {"success_fraction":0,"report_to":"cf-nel","max_age":604800}
Permissions-Policy: geolocation=()
Pragma: no-cache
Referrer-Policy: strict-origin-when-cross-origin
Report-To: {"endpoints":[{"url":"https://a.nel.cloudflare.com/report/v4?s="}],"group":"cf-nel","max_age":604800}
Retry-After: 120
Server: Apache
Server: Microsoft-IIS/10.0
Server: awselb/2.0
Server: cloudflare
Server: gunicorn
Server: nginx/1.
Server-Timing: total;dur=
Set-Cookie: =; Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Lax
Strict-Transport-Security: max-age=31536000; includeSubDomains; preload
Via: 1.1 google
Www-Authenticate: Bearer realm="", error="invalid_token"
X-Amz-Cf-Id: 
X-Amzn-Requestid: 
X-Amzn-Trace-Id: Root=1-
X-Content-Type-Options: nosniff
X-Correlation-Id: 
X-Frame-Options: SAMEORIGIN
X-Powered-By: Express
X-Ratelimit-Limit: 
X-Ratelimit-Remaining: 
X-Ratelimit-Reset: 
X-Request-Id: 
X-Runtime: 0.0
X-Xss-Protection: 1; mode=block
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Error</title>
</head>
<body>
<pre>Cannot POST /</pre>
</body>
</html>
<html>
<head><title>503 Service Temporarily Unavailable</title></head>
<body>
<center><h1>503 Service Temporarily Unavailable</h1></center>
<head><title>504 Gateway Time-out</title></head>
<center><h1>504 Gateway Time-out</h1></center>
<html>` + "\r" + `
<head><title>502 Bad Gateway</title></head>` + "\r" + `
<body>` + "\r" + `
<center><h1>502 Bad Gateway</h1></center>` + "\r" + `
<hr><center>nginx</center>` + "\r" + `
</body>` + "\r" + `
</html>` + "\r" + `
Internal Server Error
Too Many Requests
Not Found
Unauthorized
{"type":"about:blank","title":"Internal Server Error","status":500,"detail":"","instance":"/","traceId":"00-"}
{"timestamp":"2026-01-01T00:00:00.000+00:00","status":500,"error":"Internal Server Error","path":"/webhooks"}
{"error":{"code":"","message":"","details":[]}}
{"message":"Internal Server Error","requestId":""}
{"status":"accepted","id":"evt_","eventId":"evt_","received":true}
{"success":true,"message":"Webhook received","data":null}
{"ok":true}
Content-Type: application/problem+json
Content-Type: text/html; charset=utf-8
Server: nginx
Content-Type: application/json; charset=utf-8
Server: nginx
Content-Type: application/json
Content-Type: text/plain; charset=utf-8
ok
`
