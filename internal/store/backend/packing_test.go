package backend

import (
	"bytes"
	"compress/flate"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"greenlane/internal/store"
)

// answersSeen are answers as receivers give them, by what is behind them.
func answersSeen() map[string][2]string {
	return map[string][2]string{
		"empty":      {"", ""},
		"plain ok":   {"Content-Type: text/plain; charset=utf-8\n", "ok"},
		"small JSON": {"Content-Type: application/json\nServer: nginx\n", `{"ok":true}`},
		"Express": {"Content-Type: application/json; charset=utf-8\nEtag: W/\"15-PQwXDQQ1fvrTpSA1Xw2q\"\nX-Powered-By: Express\n" +
			"X-Request-Id: 4b1f5a5e-93a2-4a3e-8c8f-0f8f8a1e4c11\n", `{"received":true,"id":"9f3b2"}`},
		"Cloudflare": {"Alt-Svc: h3=\":443\"; ma=86400\nCf-Cache-Status: DYNAMIC\nCf-Ray: 8a1b2c3d4e5f6789-AMS\nContent-Type: application/json\n" +
			"Nel: {\"success_fraction\":0,\"report_to\":\"cf-nel\",\"max_age\":604800}\nServer: cloudflare\n" +
			"Strict-Transport-Security: max-age=31536000; includeSubDomains\nX-Content-Type-Options: nosniff\nX-Frame-Options: SAMEORIGIN\n" +
			"X-Request-Id: 7d7e7b7a-1111-2222-3333-444455556666\n", `{"status":"accepted","eventId":"evt_01M816S7HC000000003KRNKRDR"}`},
		"nginx 502": {"Content-Type: text/html\nServer: nginx/1.24.0\n", "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n" +
			"<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx/1.24.0</center>\r\n</body>\r\n</html>\r\n"},
		"16 KiB of stack": {"Content-Type: text/plain\n", strings.Repeat("  at com.example.hooks.CustomsReceiver.handle(CustomsReceiver.java:118)\n"+
			"  at org.springframework.web.servlet.FrameworkServlet.service(FrameworkServlet.java:897)\n", 105)[:16<<10]},
	}
}

// TestPackedBefore: rows that were written by an earlier program can be read. A
// failure means that the dictionary or the format changed, and with it the
// meaning of every row there is: add a packing instead.
func TestPackedBefore(t *testing.T) {
	t.Parallel()
	p := NewPacker()
	for name, row := range map[string]string{
		"small JSON": "2d38362b00424a00367700287b226f6b223a747275657d",
		"nginx 502":  "2dca014a2b000c68746d6c367000182f312e32342e3071ad15006a0d8161b4150010000a",
	} {
		b, err := hex.DecodeString(row)
		if err != nil {
			t.Fatal(err)
		}
		want := answersSeen()[name]
		headers, body, err := p.Unpack(Packed{Packing: packingS2, Headers: b})
		if err != nil || string(headers) != want[0] || string(body) != want[1] {
			t.Errorf("%s: %q, %q, error %v", name, headers, body, err)
		}
	}
}

// TestPacked: what is packed is smaller than what came, and comes back.
func TestPacked(t *testing.T) {
	t.Parallel()
	p := NewPacker()
	for name, answer := range answersSeen() {
		headers, body := []byte(answer[0]), []byte(answer[1])
		a := p.Pack(headers, body)
		size, was := len(a.Headers)+len(a.Body), len(headers)+len(body)
		if a.Packing == packingNone && name != "empty" || size > was {
			t.Errorf("%s: %d bytes of %d by packing %d", name, size, was, a.Packing)
		}
		if gotHeaders, gotBody, err := p.Unpack(a); err != nil || !bytes.Equal(gotHeaders, headers) || !bytes.Equal(gotBody, body) {
			t.Errorf("%s: came back as %q, %q, error %v", name, gotHeaders, gotBody, err)
		}
	}
}

// TestUnpackRefuses: a row that makes no sense is named as damage, and ends
// nothing.
func TestUnpackRefuses(t *testing.T) {
	t.Parallel()
	p := NewPacker()
	whole := p.Pack([]byte("Content-Type: application/json\nServer: nginx\n"), []byte(`{"ok":true}`)).Headers
	for name, a := range map[string]Packed{
		"unknown packing":   {Packing: 77, Headers: whole},
		"nothing":           {Packing: packingS2},
		"no length":         {Packing: packingS2, Headers: bytes.Repeat([]byte{0xff}, 12)},
		"cut off":           {Packing: packingS2, Headers: whole[:len(whole)-3]},
		"headers too long":  {Packing: packingS2, Headers: append([]byte{0x7f}, whole[1:]...)},
		"not packed at all": {Packing: packingS2, Headers: []byte("Content-Type: text/plain")},
	} {
		if headers, body, err := p.Unpack(a); !errors.Is(err, store.ErrBroken) {
			t.Errorf("%s: %q, %q, error %v", name, headers, body, err)
		}
	}
}

// BenchmarkPack measures what packing an answer takes and leaves, beside DEFLATE
// with the same dictionary.
func BenchmarkPack(b *testing.B) {
	for name, answer := range answersSeen() {
		headers, body := []byte(answer[0]), []byte(answer[1])
		b.Run(name+"/s2", func(b *testing.B) {
			p := NewPacker()
			var a Packed
			for b.Loop() {
				a = p.Pack(headers, body)
			}
			b.ReportMetric(float64(len(headers)+len(body)), "B-in")
			b.ReportMetric(float64(len(a.Headers)+len(a.Body)), "B-out")
		})
		b.Run(name+"/deflate", func(b *testing.B) {
			var out bytes.Buffer
			w, err := flate.NewWriterDict(&out, flate.DefaultCompression, []byte(answers1))
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				out.Reset()
				w.Reset(&out)
				w.Write(headers)
				w.Write(body)
				w.Close()
			}
			b.ReportMetric(float64(out.Len()), "B-out")
		})
	}
}

// BenchmarkUnpack measures reading an answer back.
func BenchmarkUnpack(b *testing.B) {
	p := NewPacker()
	a := p.Pack([]byte(answersSeen()["Cloudflare"][0]), []byte(answersSeen()["Cloudflare"][1]))
	for b.Loop() {
		if _, _, err := p.Unpack(a); err != nil {
			b.Fatal(err)
		}
	}
}
