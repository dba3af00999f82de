// Reads objects as JSON; writes a sentence for each that the schemas of its kind refuse.
import { readFileSync } from "node:fs";
import { ScaledObject } from "@kubernetes-models/keda/keda.sh/v1alpha1";
import { PrometheusRule, ServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";

const kinds = { PrometheusRule, ScaledObject, ServiceMonitor };
for (const each of JSON.parse(readFileSync(0, "utf8"))) {
  try {
    new kinds[each.kind](each).validate();
  } catch (error) {
    console.log(`${each.kind}: ${error.message}`);
  }
}
