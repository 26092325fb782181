package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
)

// lineClient is one keep-alive connection that sends prepared requests and
// reads status and body: the least an HTTP client can do, so that a benchmark
// measures the hub and not its loader.
type lineClient struct {
	conn net.Conn
	in   *bufio.Reader
	head []byte
	out  []byte
	body []byte
}

// dialLine connects to where requests go. Each header is a line of its own.
func dialLine(address, path, key string, headers ...string) (*lineClient, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n", path, address, key)
	for _, h := range headers {
		head += h + "\r\n"
	}
	head += "Content-Length: "
	return &lineClient{conn: conn, in: bufio.NewReaderSize(conn, 16<<10), head: []byte(head)}, nil
}

// post sends a body and returns the answer's status and body, which is valid
// until the next call.
func (c *lineClient) post(body []byte) (int, []byte, error) {
	c.out = append(c.out[:0], c.head...)
	c.out = strconv.AppendInt(c.out, int64(len(body)), 10)
	c.out = append(append(c.out, "\r\n\r\n"...), body...)
	if _, err := c.conn.Write(c.out); err != nil {
		return 0, nil, err
	}
	status, length, err := readHead(c.in)
	if err != nil {
		return 0, nil, err
	}
	if length >= 0 {
		c.body = append(c.body[:0], make([]byte, length)...)
		_, err = io.ReadFull(c.in, c.body)
		return status, c.body, err
	}
	answer, err := io.ReadAll(httputil.NewChunkedReader(c.in))
	if err == nil {
		_, err = readFields(c.in, nil) // trailers
	}
	return status, answer, err
}

// readHead reads a response's head: its status and the length of its body, -1
// when that comes in chunks.
func readHead(in *bufio.Reader) (status, length int, err error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return 0, 0, err
	}
	if len(line) < 12 {
		return 0, 0, errors.New("not an HTTP answer")
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, 0, err
	}
	chunked := false
	length, err = readFields(in, func(line []byte) {
		if _, ok := field(line, "transfer-encoding:"); ok {
			chunked = true
		}
	})
	if chunked {
		length = -1
	}
	return status, length, err
}

// readFields reads header lines up to the empty one and returns the content
// length; see is shown each line.
func readFields(in *bufio.Reader, see func(line []byte)) (length int, err error) {
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if len(line) <= 2 {
			return length, nil
		}
		if value, ok := field(line, "content-length:"); ok {
			if length, err = strconv.Atoi(value); err != nil {
				return 0, err
			}
		}
		if see != nil {
			see(line)
		}
	}
}

// field returns a header line's value if it has the lower-case name.
func field(line []byte, name string) (string, bool) {
	if len(line) < len(name) || !bytes.EqualFold(line[:len(name)], []byte(name)) {
		return "", false
	}
	return textproto.TrimString(string(line[len(name):])), true
}

// sink is a webhook receiver that acknowledges everything as soon as it has told
// of it: the least an HTTP server can do.
type sink struct {
	listener net.Listener
	arrived  func(*landing)
	wg       sync.WaitGroup
	mu       sync.Mutex
	conns    map[net.Conn]bool
}

// landing is a request that came to a sink, valid until it is answered.
type landing struct {
	position      int64
	path, subject []byte
	// body is nil when it is longer than a sink's buffer.
	body []byte
}

// newSink listens on a free port of this machine. arrived is called for each
// request by the goroutine of its connection, before the answer.
func newSink(arrived func(*landing)) (*sink, error) { return newSinkAt("127.0.0.1:0", arrived) }

func newSinkAt(address string, arrived func(*landing)) (*sink, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	s := &sink{listener: l, arrived: arrived, conns: map[net.Conn]bool{}}
	s.wg.Go(s.accept)
	return s, nil
}

func (s *sink) url() string { return "http://" + s.listener.Addr().String() + "/hook" }

func (s *sink) close() {
	s.listener.Close()
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

func (s *sink) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[conn] = true
		s.mu.Unlock()
		s.wg.Go(func() { s.serve(conn) })
	}
}

func (s *sink) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 16<<10)
	var path, subject []byte
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		_, target, _ := bytes.Cut(line, []byte(" "))
		target, _, _ = bytes.Cut(target, []byte(" "))
		path, subject = append(path[:0], target...), subject[:0]
		var position int64
		length, err := readFields(in, func(line []byte) {
			if value, ok := field(line, "greenlane-position:"); ok {
				position, _ = strconv.ParseInt(value, 10, 64)
			} else if value, ok := field(line, "greenlane-subject:"); ok {
				subject = append(subject, value...)
			}
		})
		if err != nil {
			return
		}
		body, _ := in.Peek(min(length, in.Size())) // what fails here fails below
		if len(body) < length {
			body = nil
		}
		if _, err := in.Discard(length); err != nil {
			return
		}
		s.arrived(&landing{position: position, path: path, subject: subject, body: body})
		if _, err := conn.Write([]byte("HTTP/1.1 204 No Content\r\n\r\n")); err != nil {
			return
		}
	}
}

// hostPort returns the address part of a base URL.
func hostPort(url string) string { return strings.TrimPrefix(url, "http://") }
