package cli

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.yaml.in/yaml/v3"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"ullage": func() {
			p := &Program{Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv}
			os.Exit(Run(context.Background(), p))
		},
	})
}

// TestScripts runs testdata/script. Each script begins in a directory that
// holds testdata/fixtures. Beside testscript's own commands there are
//
//	exits CODE PROGRAM ARG...   run a program, which must end with this code
//	parses FORMAT FILE          the file (or stdout) is json, xml or yaml
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: func(e *testscript.Env) error { return os.CopyFS(e.WorkDir, os.DirFS("testdata/fixtures")) },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":  exits,
			"parses": parses,
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

func parses(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: parses FORMAT FILE")
	}
	if err := parse(args[0], ts.ReadFile(args[1])); err != nil {
		ts.Fatalf("%s is not %s: %v", args[1], args[0], err)
	}
}

// parse reads a text to its end.
func parse(format, text string) error {
	if strings.TrimSpace(text) == "" {
		return errors.New("empty")
	}
	switch format {
	case "json":
		return json.Unmarshal([]byte(text), new(any))
	case "xml":
		for d := xml.NewDecoder(strings.NewReader(text)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
		}
	case "yaml":
		for d := yaml.NewDecoder(strings.NewReader(text)); ; {
			if err := d.Decode(new(any)); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
		}
	}
	return errors.New("unknown format " + format)
}

// outcome is what one run of the program left.
type outcome struct {
	code           int
	stdout, stderr string
}

// ullage runs the program in this process. Paths must be absolute.
func ullage(t *testing.T, args ...string) outcome {
	t.Helper()
	var stdout, stderr strings.Builder
	p := &Program{Args: args, Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Getenv: func(string) string { return "" }}
	code := Run(t.Context(), p)
	return outcome{code, stdout.String(), stderr.String()}
}

// active returns the findings of a JSON report that count, as "rule object".
func active(t *testing.T, o outcome) []string {
	t.Helper()
	var r struct {
		Findings []struct {
			Rule   string
			Active bool
			Object struct{ Kind, Name string }
		}
	}
	if err := json.Unmarshal([]byte(o.stdout), &r); err != nil {
		t.Fatalf("exit code %d: %v\n%s%s", o.code, err, o.stdout, o.stderr)
	}
	var all []string
	for _, f := range r.Findings {
		if f.Active {
			all = append(all, f.Rule+" "+f.Object.Kind+"/"+f.Object.Name)
		}
	}
	return all
}

// write makes files below a new directory and returns it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func fixture(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/fixtures", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
