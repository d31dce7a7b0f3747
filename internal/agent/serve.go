package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// serve answers status and metrics at the agent's socket, and metrics where Prometheus
// is to ask, until it is stopped.
func (a *agent) serve() (stop func(), err error) {
	all := http.NewServeMux()
	all.HandleFunc("GET /status", a.answerStatus)
	all.HandleFunc("GET /metrics", a.answerMetrics)
	own, err := listenAt(a.options.Socket)
	if err != nil {
		return nil, err
	}
	servers := []*http.Server{a.answer(own, all)}
	if a.options.Metrics != "" {
		l, err := listenAt(a.options.Metrics)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("--metrics: %w", err), servers[0].Close())
		}
		only := http.NewServeMux()
		only.HandleFunc("GET /metrics", a.answerMetrics)
		servers = append(servers, a.answer(l, only))
	}
	return func() {
		for _, s := range servers {
			s.Close()
		}
	}, nil
}

func (a *agent) answer(l net.Listener, mux http.Handler) *http.Server {
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10}
	go func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			a.log.Error("cannot answer any more", "address", l.Addr().String(), "error", err)
		}
	}()
	return s
}

// listenAt listens at an address, or at a socket that only its owner may use.
func listenAt(address string) (net.Listener, error) {
	if !strings.HasPrefix(address, "/") {
		return net.Listen("tcp", address)
	}
	if err := os.MkdirAll(filepath.Dir(address), 0o755); err != nil {
		return nil, err
	}
	info, err := os.Lstat(address)
	switch {
	case err == nil && info.Mode().Type() != os.ModeSocket:
		return nil, fmt.Errorf("%s is there, and no socket", address)
	case err == nil: // that of an agent that was killed: the lock says that none runs
		if err := os.Remove(address); err != nil {
			return nil, err
		}
	}
	// Nobody may come in before the mode is set.
	dir, err := os.MkdirTemp(filepath.Dir(address), ".agent-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	made := filepath.Join(dir, "s")
	l, err := net.Listen("unix", made)
	if err != nil {
		return nil, err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(made, 0o600), os.Rename(made, address)); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return unlinking{l, address}, nil
}

// unlinking removes its socket when it is closed.
type unlinking struct {
	net.Listener
	path string
}

func (l unlinking) Close() error { return errors.Join(l.Listener.Close(), os.Remove(l.path)) }

func (a *agent) answerStatus(w http.ResponseWriter, _ *http.Request) {
	s, err := a.status()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s) // who asked is gone
}

func (a *agent) answerMetrics(w http.ResponseWriter, _ *http.Request) {
	s, err := a.status()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	var b bytes.Buffer
	s.metrics(&b)
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write(b.Bytes())
}
