package tree

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestPlainJSON(t *testing.T) {
	type inner struct{ Name string }
	for text, want := range map[string]string{
		`{"list": 5}`:              "a number at list does not belong there",
		`{"list": [{"name": []}]}`: "an array at list.name does not belong there",
		`{"list": {}}`:             "an object at list does not belong there",
		`[]`:                       "an array does not belong there",
		`{`:                        "it is not JSON at byte 1",
		`{"a" 1}`:                  "it is not JSON at byte 6",
	} {
		var to struct {
			List []inner `json:"list"`
		}
		err := json.Unmarshal([]byte(text), &to)
		if got := PlainJSON(fmt.Errorf("in x: %w", err)).Error(); !strings.EqualFold(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	if err := errors.New("other"); PlainJSON(err) != err {
		t.Error("another error is changed")
	}
}
