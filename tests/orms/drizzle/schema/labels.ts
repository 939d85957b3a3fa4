import { foreignKey, pgTable, primaryKey, text, unique, uuid } from "drizzle-orm/pg-core";
import { bearer, organization } from "./bearer";
import { tasks } from "./projects";

export const labels = pgTable(
  "labels",
  {
    id: uuid("id").primaryKey().defaultRandom(),
    orgId: organization(),
    name: text("name").notNull(),
  },
  (t) => [...bearer("labels", t.orgId), unique("labels_org_id_id_key").on(t.orgId, t.id)],
);

export const taskLabels = pgTable(
  "task_labels",
  {
    orgId: organization(),
    taskId: uuid("task_id").notNull(),
    labelId: uuid("label_id").notNull(),
  },
  (t) => [
    ...bearer("task_labels", t.orgId),
    primaryKey({ name: "task_labels_pkey", columns: [t.taskId, t.labelId] }),
    foreignKey({
      name: "task_labels_task_id_fkey",
      columns: [t.orgId, t.taskId],
      foreignColumns: [tasks.orgId, tasks.id],
    }).onDelete("cascade"),
    foreignKey({
      name: "task_labels_label_id_fkey",
      columns: [t.orgId, t.labelId],
      foreignColumns: [labels.orgId, labels.id],
    }),
  ],
);
