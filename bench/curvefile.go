package bench

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// curveLineMost bounds a line: a report is a few KiB.
const curveLineMost = 1 << 20

// WriteCurve writes a point as a line of JSON.
func WriteCurve(to io.Writer, p CurvePoint) error {
	b, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("write a point: %w", err)
	}
	if _, err := to.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("write a point: %w", err)
	}
	return nil
}

// ReadCurve reads a file of such lines.
func ReadCurve(path string) ([]CurvePoint, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // read only
	var all []CurvePoint
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, curveLineMost)
	for n := 1; lines.Scan(); n++ {
		var p CurvePoint
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", path, n, err)
		}
		if p.Report == nil || p.Curve == "" {
			return nil, fmt.Errorf("%s, line %d: no point of a curve", path, n)
		}
		all = append(all, p)
	}
	return all, lines.Err()
}
