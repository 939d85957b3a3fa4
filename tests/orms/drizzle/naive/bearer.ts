import { uuid, type ExtraConfigColumn } from "drizzle-orm/pg-core";

// As if nobody had heard of auth.protect().
export const organization = () => uuid("org_id").notNull();

export const bearer = (_table: string, _org: ExtraConfigColumn) => [];
