// @name@ as an Android library module; filled in by edgeemb export. README.md says how an app includes it.
plugins {
    id("com.android.library")
}

val bundle: File = projectDir.parentFile
val model = "@kotlin_name@"
val generated: File = layout.buildDirectory.dir("generated/edgeemb").get().asFile

// The model travels as assets below edgeemb/<name>/; nothing is kept twice in the bundle.
val copyModel by tasks.registering(Sync::class) {
    from(bundle) { include(@files@) }
    from(projectDir.resolve("assets"))
    into(generated.resolve("edgeemb/$model"))
}

android {
    namespace = "edgeemb.@identifier@_model"
    compileSdk = @compile_sdk@
    defaultConfig {
        minSdk = @min_sdk@
        consumerProguardFiles("consumer-rules.pro")
    }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_1_8
        targetCompatibility = JavaVersion.VERSION_1_8
    }
    sourceSets.getByName("main") {
        assets.srcDir(generated)
        // A second bundle in an app brings its model alone: -Pedgeemb.modelOnly=<module>,<module>
        if (project.name in (findProperty("edgeemb.modelOnly")?.toString()?.split(",") ?: emptyList())) {
            java.setSrcDirs(emptyList<File>())
        } else {
            jniLibs.srcDirs(bundle.resolve("lib"), projectDir.resolve("jniLibs"))
        }
    }
}

tasks.named("preBuild") { dependsOn(copyModel) }

dependencies {
    implementation("@dependency@")
}
